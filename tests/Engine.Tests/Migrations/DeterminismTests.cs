using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Migrations;

/// <summary>The strongest test of the engine: a guest that migrated holds what one that stayed holds, at every tick.</summary>
public sealed class DeterminismTests
{
    public static TheoryData<GuestWorkload, string, int> Journeys
    {
        get
        {
            var journeys = new TheoryData<GuestWorkload, string, int>();
            foreach (var workload in Enum.GetValues<GuestWorkload>())
                foreach (var way in new[] { "local", "tcp", "unix" })
                    foreach (var hops in new[] { 1, 5 })
                        journeys.Add(workload, way, hops);
            return journeys;
        }
    }

    [Theory]
    [MemberData(nameof(Journeys))]
    public void A_guest_that_migrates_while_it_runs_is_the_guest_that_stayed(GuestWorkload workload, string way, int hops)
    {
        var options = TestGuests.Options(workload, size: 8 * TestGuests.MiB) with { WriteSize = 64 };
        var hosts = new List<string> { options.Host };
        var guest = TestGuests.Create(options);
        try
        {
            for (var hop = 1; hop <= hops; hop++)
            {
                hosts.Add(TestGuests.UniqueName("host"));
                guest = Hop(guest, way, hosts[^1]);
                Assert.Equal(hop, guest.MigrationCount);
                Assert.Equal(GuestState.Running, guest.State);
            }
            if (workload != GuestWorkload.Idle) TestGuests.WaitForTick(guest, guest.Ticks.Max() + 100);
            Reference.AssertIntact(options, guest);
        }
        finally
        {
            TestGuests.RemoveAll([.. hosts]);
        }
    }

    [Theory]
    [InlineData(GuestWorkload.Sequential)]
    [InlineData(GuestWorkload.Random)]
    [InlineData(GuestWorkload.HotSpot)]
    [InlineData(GuestWorkload.WalkingIncrement)]
    public void Told_to_stop_at_a_tick_it_stops_there_wherever_it_is_by_then(GuestWorkload workload)
    {
        const int Tick = 3000;
        var options = TestGuests.Options(workload, size: 4 * TestGuests.MiB, rate: 16 * TestGuests.MiB);
        var digests = new[] { 0, 1, 5 }.Select(hops =>
        {
            var guest = MemoryGuest.Create(options with { Name = TestGuests.UniqueName() });
            guest.StopAtTick(Tick);
            guest.Resume();
            for (var hop = 0; hop < hops; hop++) guest = Hop(guest, hop % 2 == 0 ? "local" : "tcp", TestGuests.UniqueName("host"));
            TestGuests.WaitForTick(guest, Tick);
            Assert.Equal([Tick, Tick], guest.Ticks);
            var digest = guest.Digest();
            GuestRegistry.Remove(guest);
            return digest;
        });
        Assert.Single(digests.ToHashSet());
    }

    [Theory]
    [InlineData(GuestWorkload.Sequential)]
    [InlineData(GuestWorkload.HotSpot)]
    [InlineData(GuestWorkload.WalkingIncrement)]
    public void The_same_seed_run_to_the_same_tick_holds_the_same_whatever_its_rate(GuestWorkload workload)
    {
        var options = TestGuests.Options(workload, size: TestGuests.MiB);
        var digests = new[] { 0, 4 * TestGuests.MiB, 400 * TestGuests.MiB }.Select(rate =>
        {
            var guest = MemoryGuest.Create(options with { DirtyRate = rate });
            guest.StopAtTick(300);
            guest.Resume();
            TestGuests.WaitForTick(guest, 300);
            Assert.Equal([300, 300], guest.Ticks);
            var digest = guest.Digest();
            guest.Remove();
            return digest;
        });
        Assert.Single(digests.ToHashSet());
    }

    static MemoryGuest Hop(MemoryGuest guest, string way, string host)
    {
        using var receiver = way == "local" ? null : MigrationReceiver.Start(new ReceiverOptions { HostName = host, Uri = Address(way) });
        var migration = Migration.Start(guest, receiver?.Uri ?? MigrationUri.Parse($"local:{host}"), new MigrationParameters { Verify = true });
        Assert.True(migration.Wait(Patience.Limit));
        Assert.True(migration.Result!.State == MigrationStatus.Completed, migration.Result.ToString());
        Assert.True(migration.Result.Verified);
        Assert.Equal(GuestState.Removed, guest.State);
        return Assert.Single(TestGuests.On(host));
    }

    static MigrationUri Address(string way) =>
        MigrationUri.Parse(way == "tcp" ? "tcp:127.0.0.1:0" : $"unix:{Path.Combine(Path.GetTempPath(), $"{TestGuests.UniqueName("psm")}-{Environment.ProcessId}")}");
}
