using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Completion;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Commands;

/// <summary>Takes virtual machines of running QEMUs in as guests, over QMP; in QEMU nothing changes.</summary>
[Cmdlet(VerbsCommunications.Connect, "MigrationGuest", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Low)]
[OutputType(typeof(QemuGuest))]
public sealed class ConnectMigrationGuestCommand : EngineCmdlet, IDisposable
{
    readonly CancellationTokenSource _stop = new();

    /// <summary>Where their QMP sockets are.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Addresses of QMP sockets: unix:PATH or tcp:HOST:PORT, as in QEMU's -qmp.")]
    [QmpAddress]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(QmpAddressCompleter))]
    public string[] Uri { get; set; } = [];

    /// <summary>The name here.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true,
        HelpMessage = "Name of the guest, unique on its host. QEMU's own (-name) by default, or qemu-1, qemu-2 ...")]
    [Alias("VMName")]
    [ValidateNotNullOrEmpty]
    public string? Name { get; set; }

    /// <summary>The host here.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true, HelpMessage = "The host of this process that it is shown on. 'local' by default.")]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    [ValidateNotNullOrEmpty]
    public string HostName { get; set; } = GuestRegistry.DefaultHost;

    /// <summary>How long it may take.</summary>
    [Parameter(HelpMessage = "How long each may take to answer: a TimeSpan, text such as 500ms or 30s, or a number of seconds. 10s by "
        + "default.")]
    [Duration(BareNumber.Seconds)]
    [Alias("TimeoutSeconds", "TimeoutSec")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (Name is not null && Uri.Length > 1)
            ThrowFailure(new MigrationException(MigrationErrorId.InvalidParameter, MigrationSide.User,
                $"One name is for one guest, and {Uri.Length} addresses are given."), Name);
        foreach (var address in Uri)
        {
            if (Stopping) return;
            Try(address, () => Connect(MigrationUri.Parse(address)));
        }
    }

    /// <inheritdoc/>
    protected override void StopProcessing() => _stop.Cancel();

    /// <inheritdoc/>
    public void Dispose() => _stop.Dispose();

    void Connect(MigrationUri uri)
    {
        if (!ShouldProcess($"{uri}", $"Connect to its guest as {Name ?? "QEMU names it"} on host {HostName}")) return;
        try
        {
            var guest = QemuGuest.Connect(uri, Name, HostName, Timeout, _stop.Token);
            // What QEMU is at already is followed from where it is.
            if (Migration.Adopt(guest) is { } adopted)
                WriteVerbose($"Its migration {adopted.Id} was begun by somebody else and is followed: Get-MigrationState {adopted.Id}.");
            WriteObject(guest);
        }
        catch (OperationCanceledException) when (Stopping)
        {
            // Whoever pressed Ctrl+C knows.
        }
    }
}
