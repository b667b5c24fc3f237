using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Postcopy;

/// <summary>
/// Postcopy with both ends of this project. Guests go over while they write, and run to a tick with pages missing on their way: they hold what
/// one that stayed holds.
/// </summary>
public sealed class EndToEndPostcopyTests : IDisposable
{
    static readonly MigrationParameters Over = new() { Postcopy = true, Mode = MigrationMode.Postcopy };

    /// <summary>Nothing comes but what is asked for, until the limit is lifted.</summary>
    static readonly MigrationParameters Held = Over with { MaxPostcopyBandwidth = 1 };

    readonly List<string> _hosts = [];
    readonly List<IDisposable> _owned = [];

    public static TheoryData<GuestWorkload, string, string> Journeys
    {
        get
        {
            var journeys = new TheoryData<GuestWorkload, string, string>();
            foreach (var workload in Enum.GetValues<GuestWorkload>())
                foreach (var way in new[] { "local", "tcp", "unix" })
                    foreach (var how in new[] { "postcopy", "hybrid", "preempt" })
                        journeys.Add(workload, way, how);
            return journeys;
        }
    }

    [Theory]
    [MemberData(nameof(Journeys))]
    public void A_guest_that_goes_over_before_its_memory_is_the_guest_that_stayed(GuestWorkload workload, string way, string how)
    {
        var options = Options(workload);
        var guest = TestGuests.Create(options);
        var parameters = how switch
        {
            "hybrid" => Over with { Mode = MigrationMode.Hybrid, PostcopyAfter = 1, MaxDowntime = TimeSpan.FromMilliseconds(1) },
            "preempt" => Over with { PostcopyPreempt = true },
            _ => Over,
        };
        // Nothing comes unasked until the guest has needed a page that is not there.
        var faults = how != "hybrid" && workload != GuestWorkload.Idle;
        var arrived = Hop(guest, way, parameters with { MaxPostcopyBandwidth = faults ? 1 : 40 * TestGuests.MiB }, out var result, faults);
        Assert.Equal(1, arrived.MigrationCount);
        Assert.Equal(GuestState.Running, arrived.State);
        Assert.False(arrived.IsBusy);
        if (how != "hybrid")
        {
            var figures = result.Postcopy!;
            Assert.Equal(arrived.MemorySize / GuestMemory.PageSize, figures.Pages);
            Assert.Equal(faults, figures.Faults > 0);
        }
        if (workload != GuestWorkload.Idle) TestGuests.WaitForTick(arrived, arrived.Ticks.Max() + 100);
        Reference.AssertIntact(options, arrived);
    }

    [Theory]
    [InlineData(GuestWorkload.Sequential)]
    [InlineData(GuestWorkload.Random)]
    [InlineData(GuestWorkload.HotSpot)]
    [InlineData(GuestWorkload.WalkingIncrement)]
    public void Told_to_stop_at_a_tick_it_stops_there_wherever_it_is_and_whatever_is_missing(GuestWorkload workload)
    {
        const int Tick = 3000;
        var options = Options(workload, 4 * TestGuests.MiB) with { DirtyRate = 16 * TestGuests.MiB };
        var digests = new[] { 0, 1, 5 }.Select(hops =>
        {
            var guest = MemoryGuest.Create(options with { Name = TestGuests.UniqueName() });
            guest.StopAtTick(Tick);
            guest.Resume();
            for (var hop = 0; hop < hops; hop++) guest = Hop(guest, hop % 2 == 0 ? "local" : "tcp", Over, out _);
            TestGuests.WaitForTick(guest, Tick);
            Assert.Equal([Tick, Tick], guest.Ticks);
            var digest = guest.Digest();
            GuestRegistry.Remove(guest);
            return digest;
        });
        Assert.Single(digests.ToHashSet());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Over_a_link_that_is_cut_again_and_again_it_arrives_all_the_same(bool preempt)
    {
        var options = Roaming(GuestWorkload.Random);
        var guest = TestGuests.Create(options);
        var receiver = Receive("tcp");
        var proxy = Own(new FaultProxy(receiver.Uri));
        var migration = Migration.Start(guest, proxy.Uri, Over with { PostcopyPreempt = preempt, Peer = PeerKind.PsMigrate, MaxPostcopyBandwidth = 256 << 10 });
        for (var cut = 0; cut < 3; cut++)
        {
            Patience.Until(() => migration.Status == MigrationStatus.PostcopyActive && receiver.GetState().Incoming is [{ State: MigrationStatus.PostcopyActive }], "the postcopy");
            Patience.Until(() => receiver.GetState().Incoming is [{ MissingPages: var missing }] && missing < 2048 - (cut * 200) - 100, "some pages");
            proxy.Cut();
            Patience.Until(() => migration.Status == MigrationStatus.PostcopyPaused, "the pause at the source");
            Patience.Until(() => receiver.GetState().Incoming is [{ State: MigrationStatus.PostcopyPaused }], "the pause at the destination");
            Assert.Equal(GuestState.Running, Assert.Single(TestGuests.On(receiver.HostName)).State);
            migration.Recover();
        }
        migration.SetLimits(new MigrationLimits { MaxPostcopyBandwidth = 0 });
        AssertArrived(migration, options, receiver.HostName);
    }

    [Fact]
    public void A_partition_that_only_the_source_notices_is_recovered_from()
    {
        var options = Roaming(GuestWorkload.HotSpot);
        var guest = TestGuests.Create(options);
        var receiver = Receive("tcp");
        var migration = Migration.Start(guest, receiver.Uri, Held);
        Patience.Until(() => migration.Status == MigrationStatus.PostcopyActive, "the postcopy");
        migration.Pause();
        Assert.Equal(MigrationStatus.PostcopyPaused, migration.Status);
        migration.SetLimits(new MigrationLimits { MaxPostcopyBandwidth = 0 });
        migration.Recover();
        AssertArrived(migration, options, receiver.HostName);
    }

    [Fact]
    public void It_goes_on_over_another_receiver_of_the_same_process()
    {
        var options = Roaming(GuestWorkload.Sequential);
        var guest = TestGuests.Create(options);
        var (receiver, other) = (Receive("tcp"), Receive("unix"));
        var migration = Migration.Start(guest, receiver.Uri, Held);
        Patience.Until(() => migration.Status == MigrationStatus.PostcopyActive, "the postcopy");
        migration.Pause();
        migration.SetLimits(new MigrationLimits { MaxPostcopyBandwidth = 0 });
        migration.Recover(other.Uri);
        AssertArrived(migration, options, receiver.HostName);
        Assert.Equal((0, 0), (other.ArrivedCount, other.FailedCount));
    }

    [Theory]
    [InlineData("local")]
    [InlineData("tcp")]
    public void Given_up_at_the_source_it_does_not_run_on_at_the_destination(string way)
    {
        var guest = TestGuests.Create(Roaming(GuestWorkload.Random));
        var receiver = way == "local" ? null : Receive(way);
        if (receiver is null) _hosts.Add(TestGuests.UniqueName("there"));
        var migration = Migration.Start(guest, receiver?.Uri ?? MigrationUri.Parse($"local:{_hosts[^1]}"), Held);
        Patience.Until(() => migration.Status == MigrationStatus.PostcopyActive, "the postcopy");
        migration.Pause();
        var there = Assert.Single(TestGuests.On(_hosts[^1]));
        Assert.Equal(GuestState.Running, there.State);
        migration.GiveUp();
        Assert.Equal((MigrationErrorId.GuestLost, GuestLocation.Lost), (migration.Result!.Error!.Id, migration.Result.Location));
        Assert.Equal((GuestState.Lost, GuestState.Lost), (guest.State, there.State));
        GuestRegistry.Remove(there);
        guest.Resume(force: true);
        Assert.Equal(GuestState.Running, guest.State);
    }

    [Fact]
    public void Given_up_on_the_way_to_its_own_host_it_has_its_name_again()
    {
        var guest = TestGuests.Create(Roaming(GuestWorkload.Random));
        var migration = Migration.Start(guest, MigrationUri.Parse($"local:{guest.Host}"), Held);
        Patience.Until(() => migration.Status == MigrationStatus.PostcopyActive, "the postcopy");
        migration.Pause();
        var there = Assert.Single(TestGuests.On(guest.Host));
        Assert.NotSame(guest, there);
        migration.GiveUp();
        Assert.Same(guest, GuestRegistry.Find(guest.Host, guest.Name));
        Assert.Equal((GuestState.Lost, GuestState.Removed), (guest.State, there.State));
        guest.Resume(force: true);
        TestGuests.WaitForTick(guest, guest.Ticks.Max() + 10);
    }

    [Fact]
    public void A_paused_one_does_not_hold_up_who_cancels_all_and_stays()
    {
        var options = Roaming(GuestWorkload.Random);
        var guest = TestGuests.Create(options);
        var receiver = Receive("tcp");
        var migration = Migration.Start(guest, receiver.Uri, Held);
        Patience.Until(() => migration.Status == MigrationStatus.PostcopyActive, "the postcopy");
        migration.Pause();
        Assert.False(MigrationRegistry.IsWorthWaitingFor(migration));
        migration.SetLimits(new MigrationLimits { MaxPostcopyBandwidth = 0 });
        migration.Recover();
        AssertArrived(migration, options, receiver.HostName);
    }

    [Fact]
    public void A_receiver_that_is_stopped_by_force_loses_the_guest_and_both_ends_say_so()
    {
        var guest = TestGuests.Create(Roaming(GuestWorkload.Random));
        var receiver = Receive("tcp");
        var migration = Migration.Start(guest, receiver.Uri, Held);
        Patience.Until(() => migration.Status == MigrationStatus.PostcopyActive && receiver.PostcopyCount == 1, "the postcopy");
        Assert.Equal(MigrationErrorId.InvalidState, Assert.Throws<MigrationException>(() => receiver.Stop()).Id);
        receiver.Stop(force: true);
        Assert.True(migration.Wait(Patience.Limit));
        var error = migration.Result!.Error!;
        Assert.Equal((MigrationErrorId.GuestLost, GuestLocation.Lost), (error.Id, error.Location));
        Assert.Equal(GuestState.Lost, guest.State);
        Assert.Equal(GuestState.Lost, Assert.Single(TestGuests.On(receiver.HostName)).State);
    }

    [Fact]
    public void It_can_be_switched_over_at_any_time()
    {
        var options = Options(GuestWorkload.Random);
        var guest = TestGuests.Create(options);
        var receiver = Receive("tcp");
        var migration = Migration.Start(guest, receiver.Uri, new MigrationParameters { MaxBandwidth = TestGuests.MiB, MaxDowntime = TimeSpan.FromMilliseconds(1) });
        Patience.Until(() => migration.Status == MigrationStatus.Active, "the first pass");
        migration.SwitchToPostcopy();
        AssertArrived(migration, options, receiver.HostName);
        Assert.NotNull(migration.Result!.Postcopy);
    }

    public void Dispose()
    {
        _owned.ForEach(one => one.Dispose());
        TestGuests.RemoveAll([.. _hosts]);
    }

    static void AssertArrived(Migration migration, GuestOptions options, string host)
    {
        Assert.True(migration.Wait(Patience.Limit), $"It hangs in {migration.Status}.");
        Assert.True(migration.Result!.State == MigrationStatus.Completed, $"{migration.Result} {migration.Result.Error}");
        var arrived = Assert.Single(TestGuests.On(host));
        TestGuests.WaitForTick(arrived, arrived.Ticks.Max() + 100);
        Reference.AssertIntact(options, arrived);
    }

    GuestOptions Options(GuestWorkload workload, long size = 8 * TestGuests.MiB)
    {
        var options = TestGuests.Options(workload, size) with { WriteSize = 64 };
        _hosts.Add(options.Host);
        return options;
    }

    /// <summary>A guest that writes to a part of its memory only, and has asked for that soon: the rest stays away for as long as nothing else may come.</summary>
    GuestOptions Roaming(GuestWorkload workload) => Options(workload) with { WorkingSet = TestGuests.MiB };

    MigrationReceiver Receive(string way)
    {
        _hosts.Add(TestGuests.UniqueName("there"));
        return Own(MigrationReceiver.Start(new ReceiverOptions { HostName = _hosts[^1], Uri = Address(way) }));
    }

    MemoryGuest Hop(MemoryGuest guest, string way, MigrationParameters parameters, out MigrationResult result, bool awaitsFault = false)
    {
        var receiver = way == "local" ? null : Receive(way);
        if (receiver is null) _hosts.Add(TestGuests.UniqueName("there"));
        var migration = Migration.Start(guest, receiver?.Uri ?? MigrationUri.Parse($"local:{_hosts[^1]}"), parameters);
        if (awaitsFault)
        {
            Patience.Until(() => TestGuests.On(_hosts[^1]).Any(there => there.Cpus.Any(cpu => cpu.Faults?.Figures.Faults > 0)), "a fault");
            migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        }
        Assert.True(migration.Wait(Patience.Limit), $"It hangs in {migration.Status}.");
        result = migration.Result!;
        Assert.True(result.State == MigrationStatus.Completed, $"{result} {result.Error}");
        Assert.Equal(GuestState.Removed, guest.State);
        return Assert.Single(TestGuests.On(_hosts[^1]));
    }

    T Own<T>(T owned) where T : IDisposable
    {
        _owned.Add(owned);
        return owned;
    }

    static MigrationUri Address(string way) =>
        MigrationUri.Parse(way == "tcp" ? "tcp:127.0.0.1:0" : $"unix:{Path.Combine(Path.GetTempPath(), $"{TestGuests.UniqueName("psm")}-{Environment.ProcessId}")}");
}
