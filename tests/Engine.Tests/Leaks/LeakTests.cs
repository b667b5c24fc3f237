using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Leaks;

/// <summary>Many migrations with every kind of end: no thread, no socket, no memory and no guest stays behind.</summary>
[Collection("Alone")]
public sealed class LeakTests
{
    // One that stayed would stand out among what the runtime maps for itself.
    const long Size = 200 * TestGuests.MiB;

    static GuestOptions Options() => TestGuests.Options(size: Size, rate: 100 * TestGuests.MiB) with { WorkingSet = TestGuests.MiB, ContentSize = 4 * TestGuests.MiB };

    [LinuxFact]
    public void Over_a_local_link_whatever_the_end()
    {
        Round(0);
        ProcessState.AssertNoThreads();
        var (mapped, guests) = (ProcessState.Mapped(), GuestRegistry.All.Length);
        for (var round = 1; round < 45; round++) Round(round);
        ProcessState.AssertNoThreads();
        ProcessState.AssertMapped(mapped, Size);
        Assert.Equal(guests, GuestRegistry.All.Length);
    }

    [LinuxFact]
    public void What_stays_behind_would_be_counted()
    {
        ProcessState.AssertNoThreads();
        var (sockets, mapped) = (ProcessState.Sockets(), ProcessState.Mapped());
        var guest = TestGuests.Create(Options());
        using (var receiver = MigrationReceiver.Start(new ReceiverOptions()))
        {
            Patience.Until(() => ProcessState.EngineThreads().Count == 3, "two vCPUs and a receiver");
            Assert.Equal(sockets + 1, ProcessState.Sockets());
            Assert.InRange(ProcessState.Mapped() - mapped, Size / 2, long.MaxValue);
        }
        GuestRegistry.Remove(guest);
        ProcessState.AssertNoThreads();
        Assert.Equal(sockets, ProcessState.Sockets());
        ProcessState.AssertMapped(mapped, Size);
    }

    static void Round(int round)
    {
        using var rig = new Rig(Options()) { IsGoneAfterwards = round % 9 == 7 };
        rig.Parameters = rig.Parameters with { Verify = round % 2 == 0, KeepSource = round % 5 == 0 };
        var phases = Enum.GetValues<MigrationPhase>();
        switch (round % 9)
        {
            case 1: rig.PhaseEntered = At(phases[round % phases.Length], () => rig.Outgoing!.Cancel(wait: false)); break;
            case 2: rig.PhaseEntered = At(MigrationPhase.Iterate, () => rig.DestinationEnd!.Abort()); break;
            case 3: rig.PhaseEntered = At(MigrationPhase.CompleteRam, () => rig.SourceEnd!.Abort()); break;
            case 4: rig.DestinationTap = When(ReturnPathType.Ready); break;
            case 5: rig.DestinationTap = When(ReturnPathType.Running); break;
            case 6: rig.Policy = rig.Policy with { AllowedName = ["nobody"] }; break;
            case 7: rig.DestinationTap = When(ReturnPathType.Running); break;
            case 8: rig.PhaseEntered = At(MigrationPhase.Iterate, () => rig.Outgoing!.SetLimits(new MigrationLimits(null, null, TimeSpan.FromTicks(1)))); break;
        }
        // The policy of a rig takes guests of 16 MiB.
        rig.Policy = rig.Policy with { Room = new Destination.Admission(64, 2 * Size) };
        var result = rig.Finish();
        Assert.True(MigrationTransitions.IsEnded(result.State));
        var arrived = rig.Arrived;
        rig.Dispose();
        Assert.False(rig.Guest.Memory.TryAddReference());
        Assert.False(arrived?.Memory.TryAddReference() ?? false);
    }

    static Action<MigrationPhase> At(MigrationPhase where, Action act) => phase =>
    {
        if (phase == where) act();
    };

    static Tap When(ReturnPathType type) => (link, leaving) =>
    {
        if (leaving.TypeOf() == type) link.Abort();
    };

    [LinuxFact]
    public void Over_sockets_with_a_receiver_that_comes_and_goes()
    {
        SocketRound(0);
        ProcessState.AssertNoThreads();
        var (sockets, mapped) = (ProcessState.Sockets(), ProcessState.Mapped());
        for (var round = 1; round < 30; round++) SocketRound(round);
        ProcessState.AssertNoThreads();
        Patience.Until(() => ProcessState.Sockets() == sockets, $"sockets to be {sockets}, and there are {ProcessState.Sockets()}");
        ProcessState.AssertMapped(mapped, Size);
        Assert.Empty(ReceiverRegistry.All);
    }

    static void SocketRound(int round)
    {
        var options = Options();
        var guest = TestGuests.Create(options);
        var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there"), AllowedName = [round % 5 == 4 ? "nobody" : "*"] });
        Migration? migration = null;
        migration = Migration.Start(guest, receiver.Uri, new MigrationParameters(), phase =>
        {
            if (round % 5 == 1 && phase == MigrationPhase.Iterate) receiver.Stop();
            if (round % 5 == 2 && phase == MigrationPhase.SaveDevices) Volatile.Read(ref migration)?.Cancel(wait: false);
            if (round % 5 == 3 && phase == MigrationPhase.Connect) receiver.Stop();
        });
        Assert.True(migration.Wait(Patience.Limit));
        Assert.Equal(round % 5 == 0 || migration.Status == MigrationStatus.Completed, migration.Result!.Location == GuestLocation.Destination);
        receiver.Dispose();
        TestGuests.RemoveAll(options.Host, receiver.HostName);
    }

    [LinuxFact]
    public void With_channels_over_sockets_whatever_the_end()
    {
        ChannelRound(0);
        ProcessState.AssertNoThreads();
        var (sockets, mapped) = (ProcessState.Sockets(), ProcessState.Mapped());
        for (var round = 1; round < 20; round++) ChannelRound(round);
        ProcessState.AssertNoThreads();
        Patience.Until(() => ProcessState.Sockets() == sockets, $"sockets to be {sockets}, and there are {ProcessState.Sockets()}");
        ProcessState.AssertMapped(mapped, Size);
    }

    static void ChannelRound(int round)
    {
        var options = Options();
        var guest = TestGuests.Create(options);
        var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there"), AllowedName = [round % 5 == 4 ? "nobody" : "*"] });
        Migration? migration = null;
        migration = Migration.Start(guest, receiver.Uri, new MigrationParameters { Channels = 1 + (round % 4) }, phase =>
        {
            if (round % 5 == 1 && phase == MigrationPhase.Iterate) receiver.Stop();
            if (round % 5 == 2 && phase == MigrationPhase.Iterate) Volatile.Read(ref migration)?.Cancel(wait: false);
            if (round % 5 == 3 && phase == MigrationPhase.Header) receiver.Stop();
        });
        Assert.True(migration.Wait(Patience.Limit));
        if (round % 5 == 0) Assert.Equal(MigrationStatus.Completed, migration.Status);
        receiver.Dispose();
        TestGuests.RemoveAll(options.Host, receiver.HostName);
    }
}
