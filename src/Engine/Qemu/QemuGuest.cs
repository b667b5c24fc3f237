using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Qemu;

/// <summary>
/// A virtual machine of a running QEMU, driven over QMP. It is QEMU's and stays as it is when it is let go. What it does is asked of
/// QEMU whenever it is read, for half a second at most; between, events keep it. All members may be called from any thread.
/// </summary>
public sealed partial class QemuGuest : Guest
{
    const string Kvm = "kvm";

    readonly Lock _gate = new();
    readonly QemuInquiry _inquiry;
    string _runState;
    long _changes;
    QemuCapability[] _capabilities = [];
    string[] _blockedReasons = [];

    QemuGuest(QmpClient qmp, QemuIdentity identity, string accelerator, string name, string host)
        : base(identity.Uuid ?? Guid.Empty, name, host)
    {
        Qmp = qmp;
        _inquiry = new QemuInquiry(qmp);
        _runState = identity.RunState;
        MachineType = identity.MachineType ?? "";
        MemorySize = identity.RamSize ?? 0;
        ProcessorCount = identity.CpuCount ?? 0;
        Accelerator = accelerator;
    }

    /// <inheritdoc/>
    public override GuestKind Kind => GuestKind.Qemu;

    /// <summary>QEMU's machine type, such as pc-i440fx-7.2; empty where QEMU does not tell.</summary>
    public override string MachineType { get; }

    /// <summary>Bytes of RAM, with what was plugged in before the guest was connected; 0 where QEMU does not tell.</summary>
    public override long MemorySize { get; }

    /// <summary>How many vCPUs it had when it was connected; 0 for machine none.</summary>
    public override int ProcessorCount { get; }

    /// <summary>kvm, tcg or another name that QEMU gives; empty where it does not tell (one that is neither KVM nor TCG, before 10.2).</summary>
    public string Accelerator { get; }

    /// <summary>Where QEMU's QMP socket is.</summary>
    public MigrationUri Uri => Qmp.Uri;

    /// <summary>major.minor.micro.</summary>
    public Version QemuVersion => Qmp.QemuVersion;

    /// <summary>What the distributor says of the build; may be empty.</summary>
    public string QemuPackage => Qmp.Package;

    /// <summary>Whether QMP is connected. A QEMU that hangs is connected, too.</summary>
    public bool IsConnected => !Qmp.IsClosed;

    /// <summary>QEMU's own word for what it does, for example running, paused, postmigrate; the last one known of a QEMU that can't be asked.</summary>
    public string RunState
    {
        get
        {
            var changes = Interlocked.Read(ref _changes);
            var answer = _inquiry.Ask(null, AskRunState);
            lock (_gate)
            {
                // What an event said meanwhile is newer.
                if (answer is not null && changes == _changes) Learn(answer);
                return _runState;
            }
        }
    }

    /// <summary>
    /// What it does now. Unreachable is a QEMU whose connection was lost, or that has not answered for ten seconds; see
    /// <see cref="UnreachableReason"/>.
    /// </summary>
    public override GuestState State
    {
        get
        {
            var runState = RunState;
            return UnreachableReason is null ? StateOf(runState) : GuestState.Unreachable;
        }
    }

    /// <summary>Why it is Unreachable; null while it is not.</summary>
    public string? UnreachableReason => Qmp.ClosedBecause?.Message
        ?? (_inquiry.IsSilent ? $"QEMU at {Uri} has not answered for {_inquiry.Silence?.TotalSeconds:0} s." : null);

    /// <summary>The migration capabilities that this QEMU has, in QEMU's order; the last ones known of a QEMU that can't be asked.</summary>
    public QemuCapability[] Capabilities => _capabilities = _inquiry.Ask(_capabilities, limit =>
    {
        var all = QemuCapabilities.Parse(Qmp.Execute("query-migrate-capabilities", timeout: limit));
        return [.. all.Names.Select(name => new QemuCapability(name, all.IsOn(name)))];
    });

    /// <summary>Why QEMU would not migrate it (blocked-reasons of query-migrate); empty where nothing forbids it.</summary>
    public string[] BlockedReasons => _blockedReasons = _inquiry.Ask(_blockedReasons, limit =>
        QemuMigrationInfo.Parse(Qmp.Execute("query-migrate", timeout: limit)).BlockedReasons);

    /// <summary>The connection. Whoever uses it leaves it open.</summary>
    internal QmpClient Qmp { get; }

    /// <summary>UnsupportedByGuest: the virtual machine is QEMU's.</summary>
    internal override void Remove() => throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
        $"Guest {Name} belongs to the QEMU at {Uri} and can't be removed here. Disconnect-MigrationGuest lets it go.");

    string? AskRunState(TimeSpan limit) => Qmp.Execute("query-status", timeout: limit).Text("status");

    void Take(QmpEvent what)
    {
        lock (_gate)
        {
            _changes++;
            Learn(QemuRunState.After(what, _runState));
        }
    }
}
