using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Files;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>A guest that was captured from a QEMU is migrated on, and goes on in another QEMU from where it stopped.</summary>
public sealed class HandOnTests : IDisposable
{
    static readonly WalkingGuest Program = new() { First = 16 << 20, Pages = 2048, Seed = 9 };

    readonly Folder _folder = new();

    [QemuTheory]
    [MemberData(nameof(QemuRows.Machines), MemberType = typeof(QemuRows))]
    public void It_runs_in_another_QEMU_and_is_gone_here(string binary, string machine)
    {
        var options = new QemuOptions(binary) { Machine = machine, Program = Program };
        var (guest, counter) = Capture(options);
        using var destination = new QemuMachine(options.Awaiting());
        var state = Migrate(guest, destination.Listen());
        Assert.Null(state.Error);
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination, PeerKind.Qemu), (state.State, state.Location, state.Peer));
        Assert.Equal(TimeSpan.Zero, state.Downtime);
        Assert.Empty(state.Result!.LeftOut);
        Assert.Empty(TestGuests.On(_folder.Host));
        AssertGoesOn(destination, counter);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Pairs), MemberType = typeof(QemuRows))]
    public void It_goes_on_in_another_version_when_that_is_told_to_over_QMP(string binary, string other)
    {
        var options = new QemuOptions(binary) { Machine = "pc-i440fx-7.2", Program = Program };
        var (guest, counter) = Capture(options);
        using var destination = new QemuMachine((options with { Binary = other }).Awaiting());
        destination.SetCapabilities("events");
        var state = Migrate(guest, destination.Listen(), new MigrationParameters { DestinationQmp = destination.QmpUri.ToString(), KeepSource = true });
        Assert.Null(state.Error);
        Assert.Equal(GuestLocation.Destination, state.Location);
        Assert.Equal(GuestState.PostMigrate, guest.State);
        // It stood there until it was told to go on.
        Assert.True(Array.LastIndexOf(destination.EventNames, "RESUME") > Array.LastIndexOf(destination.EventNames, "MIGRATION"));
        Assert.True(state.Result!.DowntimeParts.Total == TimeSpan.Zero);
        AssertGoesOn(destination, counter);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Without_an_answer_over_QMP_nothing_is_sent(string binary)
    {
        var options = new QemuOptions(binary) { Machine = "pc", Program = Program };
        var (guest, _) = Capture(options);
        using var destination = new QemuMachine(options.Awaiting());
        var state = Migrate(guest, destination.Listen(), new MigrationParameters { DestinationQmp = $"unix:{_folder["nobody"]}" });
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (state.State, state.Location));
        Assert.Equal((MigrationErrorId.ConnectionRefused, MigrationPhase.Connect), (state.Error!.Id, state.Error.Phase));
        Assert.Equal(GuestState.Suspended, guest.State);
        // It was not even connected to, which would have ended it: it still waits.
        Assert.Equal("inmigrate", destination.RunState);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_QEMU_of_another_machine_refuses_it_and_it_stays(string binary)
    {
        var (guest, _) = Capture(new QemuOptions(binary) { Machine = "pc", Program = Program });
        using var destination = new QemuMachine(new QemuOptions(binary) { Machine = "q35", Program = Program }.Awaiting());
        var state = Migrate(guest, destination.Listen());
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (state.State, state.Location));
        Assert.Equal(GuestState.Suspended, guest.State);
        Assert.False(guest.IsBusy);
        _folder.Save(guest, "still-there");
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void At_a_receiver_of_ours_it_is_captured_again(string binary)
    {
        var options = new QemuOptions(binary) { Machine = "q35", Program = Program };
        var (guest, counter) = Capture(options);
        var digest = guest.Digest();
        _folder.Save(guest, "before");
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = $"{_folder.Host}-2" });
        try
        {
            var state = Migrate(guest, receiver.Uri.ToString());
            Assert.Null(state.Error);
            Assert.Equal((GuestLocation.Destination, PeerKind.PsMigrate), (state.Location, state.Peer));
            Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit));
            Assert.Equal((GuestKind.Captured, digest), (arrival.Guest!.Kind, arrival.Guest.Digest()));
            Assert.Empty(TestGuests.On(_folder.Host));
            _folder.Save(arrival.Guest, "after");
            Assert.Equal(File.ReadAllBytes(_folder["before"]), File.ReadAllBytes(_folder["after"]));
            using var destination = new QemuMachine(options.Awaiting());
            Assert.Null(Migrate(arrival.Guest, destination.Listen()).Error);
            AssertGoesOn(destination, counter);
        }
        finally
        {
            TestGuests.RemoveAll(receiver.HostName);
        }
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_command_takes_it_too(string binary)
    {
        var options = new QemuOptions(binary) { Machine = "pc", Program = Program };
        var (guest, counter) = Capture(options);
        var state = Migrate(guest, $"exec:gzip -1 > {_folder["small"]}");
        Assert.Equal((MigrationStatus.Completed, GuestLocation.File), (state.State, state.Location));
        Assert.Equal(GuestState.PostMigrate, guest.State);
        using var destination = new QemuMachine(options.Awaiting($"exec:gzip -dc {_folder["small"]}"));
        destination.WaitForMigration();
        AssertGoesOn(destination, counter);
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

    static MigrationState Migrate(MemoryGuest guest, string destination, MigrationParameters? parameters = null)
    {
        var migration = Migration.Start(guest, MigrationUri.Parse(destination), parameters ?? new MigrationParameters());
        Assert.True(migration.Wait(Patience.Limit), $"The migration hangs in {migration.GetState().Phase}.");
        return migration.GetState();
    }

    static void AssertGoesOn(QemuMachine destination, long since)
    {
        Poll.Until(() => destination.RunState == "running", "the guest runs again");
        Assert.True(destination.PhysicalCounter() >= since, "The guest went back in time.");
        destination.WaitForCounter(2 * Program.Pages);
        destination.Stop();
        Program.AssertConsistent(destination.Memory());
    }

    public void Dispose() => _folder.Dispose();
}
