using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>A machine of a real QEMU switches to postcopy on its way here; the link may break then, and be recovered.</summary>
public sealed class PostcopyCaptureTests
{
    const int Megabytes = 48;

    static readonly WalkingGuest Program = new() { First = 8 << 20, Pages = 2048, Delay = 2000, Seed = 11 };

    [QemuTheory]
    [MemberData(nameof(QemuRows.Machines), MemberType = typeof(QemuRows))]
    public void Switched(string binary, string machine)
    {
        using var incoming = new Destination();
        using var qemu = Start(binary, machine);
        SwitchToPostcopy(qemu, incoming);
        AssertArrived(qemu, incoming);
        // Postcopy has no description.
        Assert.Null(incoming.Migration!.Guest!.Machine!.Description);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Paused_by_its_source_and_cut_here_it_is_recovered_both_times(string binary)
    {
        using var incoming = new Destination();
        using var qemu = Start(binary, "pc");
        // Slow enough that pages are missing when the link breaks.
        qemu.SetParameters(("max-postcopy-bandwidth", 256 << 10));
        SwitchToPostcopy(qemu, incoming);
        Poll.Until(() => incoming.Migration!.Status == MigrationStatus.PostcopyActive, "postcopy");
        qemu.Execute("migrate-pause");
        Recover(qemu, incoming);
        incoming.Latest!.Abort();
        Recover(qemu, incoming);
        qemu.SetParameters(("max-postcopy-bandwidth", 0));
        AssertArrived(qemu, incoming);
        Assert.Equal(3, incoming.Connections);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Paused_it_can_be_broken_off_and_leaves_nothing(string binary)
    {
        using var incoming = new Destination();
        using var qemu = Start(binary, "pc");
        qemu.SetParameters(("max-postcopy-bandwidth", 256 << 10));
        SwitchToPostcopy(qemu, incoming);
        Poll.Until(() => incoming.Migration!.Status == MigrationStatus.PostcopyActive, "postcopy");
        incoming.Latest!.Abort();
        Poll.Until(() => incoming.Migration!.IsPaused, "the pause");
        incoming.Migration!.Abort();
        Poll.Until(() => incoming.Migration.IsEnded, "the end");
        Assert.Equal(MigrationErrorId.ConnectionLost, incoming.Migration.Error!.Id);
        Assert.Equal(GuestLocation.InDoubt, incoming.Migration.Error.Location);
        Assert.Empty(TestGuests.On(incoming.Host));
    }

    static QemuMachine Start(string binary, string machine)
    {
        var qemu = new QemuMachine(new QemuOptions(binary) { Machine = machine, Megabytes = Megabytes, Program = Program, HasRamFile = true });
        qemu.WaitForCounter(Program.Pages);
        qemu.SetCapabilities("return-path", "postcopy-ram");
        qemu.SetParameters(("max-bandwidth", 20 << 20), ("downtime-limit", 1));
        return qemu;
    }

    static void SwitchToPostcopy(QemuMachine qemu, Destination incoming)
    {
        qemu.Migrate(incoming.Uri);
        Poll.Until(() => qemu.Iterations > 1, "a second pass");
        qemu.Execute("migrate-start-postcopy");
    }

    static void Recover(QemuMachine qemu, Destination incoming)
    {
        qemu.WaitForMigration("postcopy-paused");
        Poll.Until(() => incoming.Migration!.IsPaused, "the pause");
        Assert.Equal(MigrationStatus.PostcopyPaused, incoming.Migration!.Status);
        qemu.Execute("migrate", new { uri = incoming.Uri, resume = true });
        Poll.Until(() => incoming.Migration.Status != MigrationStatus.PostcopyPaused, "the recovery");
        qemu.WaitForMigration("postcopy-active");
    }

    static void AssertArrived(QemuMachine qemu, Destination incoming)
    {
        qemu.WaitForMigration();
        Poll.Until(() => incoming.Migration!.IsEnded, "the end");
        Assert.True(incoming.Migration!.Error is null, $"{incoming.Migration.Error}");
        var guest = incoming.Migration.Guest!;
        Assert.Equal(GuestKind.Captured, guest.Kind);
        var ram = guest.Memory.Find("pc.ram")!.Span(0, Megabytes << 20);
        Assert.Empty(RamImage.Differences(qemu.Ram(), ram));
        Program.AssertConsistent(ram);
        Assert.Contains(guest.Devices, device => device.Name == "cpu");
        Assert.True(guest.Devices.Length >= 20, $"Only {string.Join(", ", (object[])guest.Devices)}");
    }

    /// <summary>A receiving end that gives its first connection to a migration, and those after it to the same one for recovery.</summary>
    sealed class Destination : IDisposable
    {
        readonly ConnectionListener _listener = ConnectionListener.Listen(MigrationUri.Parse("tcp:127.0.0.1:0"));
        int _connections;

        public Destination() => new Thread(Accept) { IsBackground = true }.Start();

        public string Host { get; } = TestGuests.UniqueName("captured");

        public string Uri => _listener.Uri.ToString();

        public IncomingMigration? Migration { get; private set; }

        public IConnection? Latest { get; private set; }

        public int Connections => _connections;

        public void Dispose()
        {
            _listener.Dispose();
            Migration?.Abort();
            if (Migration is not null) Poll.Until(() => Migration.IsEnded, "the end");
            TestGuests.RemoveAll(Host);
        }

        void Accept()
        {
            while (_listener.Accept() is { } connection)
            {
                Latest = connection;
                if (Interlocked.Increment(ref _connections) > 1)
                {
                    new Thread(() => Migration!.TryRecover(connection, TimeSpan.FromSeconds(30))) { IsBackground = true }.Start();
                    continue;
                }
                Migration = new IncomingMigration(connection, new ReceiverOptions { HostName = Host }.ToPolicy());
                new Thread(Migration.Run) { IsBackground = true }.Start();
            }
        }
    }
}
