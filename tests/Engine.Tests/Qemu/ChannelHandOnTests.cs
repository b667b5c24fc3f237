using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Tests.Files;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>A guest that was captured from a QEMU goes through channels into another one, where it goes on.</summary>
public sealed class ChannelHandOnTests : IDisposable
{
    static readonly WalkingGuest Program = new() { First = 16 << 20, Pages = 2048, Seed = 9 };

    readonly Folder _folder = new();

    [QemuTheory]
    [MemberData(nameof(QemuRows.Machines), MemberType = typeof(QemuRows))]
    public void It_runs_in_another_QEMU_whose_release_is_told(string binary, string machine) =>
        GoesOn(new QemuOptions(binary) { Machine = machine, Program = Program }, binary, 3, qemu => new MigrationParameters { PeerVersion = QemuIdentity.Query(qemu.Qmp).Version });

    /// <summary>A machine type of 7.2 has marks and zero pages as 7.2 had them, in whatever release.</summary>
    [QemuTheory]
    [MemberData(nameof(QemuRows.Pairs), MemberType = typeof(QemuRows))]
    public void An_old_machine_type_goes_on_in_another_release_that_is_asked_over_QMP(string binary, string other) =>
        GoesOn(new QemuOptions(binary) { Machine = "pc-i440fx-7.2", Program = Program, Uuid = Guid.NewGuid() }, other, 2,
            qemu => new MigrationParameters { DestinationQmp = qemu.QmpUri.ToString() });

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void At_a_receiver_of_ours_it_is_captured_again(string binary)
    {
        var options = new QemuOptions(binary) { Machine = "pc", Program = Program };
        var (guest, _) = Capture(options);
        var digest = guest.Digest();
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = $"{_folder.Host}-2" });
        try
        {
            Migrate(guest, receiver.Uri.ToString(), new MigrationParameters { Channels = 3 });
            Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit));
            Assert.Equal((GuestKind.Captured, digest), (arrival.Guest!.Kind, arrival.Guest.Digest()));
        }
        finally
        {
            TestGuests.RemoveAll(receiver.HostName);
        }
    }

    void GoesOn(QemuOptions options, string other, int channels, Func<QemuMachine, MigrationParameters> parameters)
    {
        var (guest, counter) = Capture(options);
        using var destination = new QemuMachine((options with { Binary = other }).Awaiting());
        destination.SetCapabilities("multifd");
        destination.SetParameters(("multifd-channels", channels));
        Migrate(guest, destination.Listen(), parameters(destination) with { Channels = channels });
        Assert.Empty(TestGuests.On(_folder.Host));
        Poll.Until(() => destination.RunState == "running", "the guest runs again");
        Assert.True(destination.PhysicalCounter() >= counter, "The guest went back in time.");
        destination.WaitForCounter(2 * Program.Pages);
        destination.Stop();
        Program.AssertConsistent(destination.Memory());
    }

    (MemoryGuest Guest, long Counter) Capture(QemuOptions options)
    {
        using var source = new QemuMachine(options);
        source.WaitForCounter();
        source.EnsureConverge();
        source.Migrate($"exec:cat > {_folder["qemu"]}");
        source.WaitForMigration();
        return (_folder.Restore("qemu"), source.PhysicalCounter());
    }

    static void Migrate(MemoryGuest guest, string destination, MigrationParameters parameters)
    {
        var migration = Migration.Start(guest, MigrationUri.Parse(destination), parameters);
        Assert.True(migration.Wait(Patience.Limit), $"The migration hangs in {migration.GetState().Phase}.");
        var state = migration.GetState();
        Assert.Null(state.Error);
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (state.State, state.Location));
    }

    public void Dispose() => _folder.Dispose();
}
