using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Migrations;

/// <summary>Guests that run while differences of their pages are sent, as QEMU sends them, hold what guests hold that stayed.</summary>
public sealed class XbzrleMigrationTests
{
    const int Passes = 6;

    [Theory]
    [InlineData(GuestWorkload.HotSpot, 0)]
    [InlineData(GuestWorkload.HotSpot, 16 << 10)]
    [InlineData(GuestWorkload.Random, 1 << 20)]
    [InlineData(GuestWorkload.Sequential, 0)]
    [InlineData(GuestWorkload.WalkingIncrement, 0)]
    public void A_guest_that_writes_while_differences_are_made_is_the_guest_that_stayed(GuestWorkload workload, long cacheSize)
    {
        using var rig = new Rig(TestGuests.Options(workload, size: 4 * TestGuests.MiB, rate: 8 * TestGuests.MiB));
        rig.Parameters = rig.Parameters with { Means = MigrationMeans.Qemu, Xbzrle = true, XbzrleCacheSize = cacheSize, MaxDowntime = TimeSpan.FromMilliseconds(1) };
        rig.PhaseEntered = phase => GoOnAfterWrites(phase, () => rig.Guest, () => rig.Outgoing!.GetState(), () => rig.Outgoing!.Complete());
        var result = rig.Finish();
        Assert.True(result.State == MigrationStatus.Completed, result.ToString());
        Assert.True(result.Verified);
        var last = rig.Outgoing!.GetState().Current;
        Assert.True(last.Iteration >= Passes, $"Only {last.Iteration} passes.");
        Assert.True(last.Xbzrle!.Pages > last.Xbzrle.Overflow, $"No page went as a difference: {last.Xbzrle}.");
        Assert.Equal(last.XbzrlePages, last.Xbzrle.Pages);
        rig.AssertRunsOnlyThere();
    }

    [Theory]
    [InlineData(8, true)]
    [InlineData(1, false)]
    public void Under_a_limit_what_goes_in_the_first_pass_is_kept_where_the_cache_holds_all_of_it(int cacheMebibytes, bool isEarly)
    {
        // The first pass takes four windows.
        using var rig = new Rig(TestGuests.Options(GuestWorkload.Sequential, size: 8 * TestGuests.MiB, rate: 4 * TestGuests.MiB));
        rig.Parameters = rig.Parameters with
        {
            Means = MigrationMeans.Qemu, Xbzrle = true, XbzrleCacheSize = cacheMebibytes * TestGuests.MiB, MaxBandwidth = 20 * TestGuests.MiB,
            MaxDowntime = TimeSpan.FromMilliseconds(20), Policy = BuiltInPolicies.Qemu,
        };
        var result = rig.Finish();
        Assert.True(result.State == MigrationStatus.Completed, result.ToString());
        Assert.True(result.Verified);
        var decisions = rig.Outgoing!.GetState().Decisions.Where(one => one.What == "Differences").ToArray();
        Assert.True(decisions.Length == (isEarly ? 1 : 0), string.Join(Environment.NewLine, decisions.Select(one => $"{one.From} {one.To} {one.Reason}")));
        Assert.All(decisions, one => Assert.StartsWith("They were asked for.", one.Reason, StringComparison.Ordinal));
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Over_tcp_it_arrives_and_the_next_hop_begins_anew()
    {
        var options = TestGuests.Options(size: 4 * TestGuests.MiB, rate: 8 * TestGuests.MiB);
        var hosts = new List<string> { options.Host };
        var guest = TestGuests.Create(options);
        try
        {
            for (var hop = 0; hop < 2; hop++)
            {
                hosts.Add(TestGuests.UniqueName("host"));
                using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = hosts[^1], Uri = MigrationUri.Parse("tcp:127.0.0.1:0") });
                Migration? migration = null;
                var known = new ManualResetEventSlim();
                var (moving, parameters) = (guest, new MigrationParameters { Means = MigrationMeans.Qemu, Xbzrle = true, Verify = true, MaxDowntime = TimeSpan.FromMilliseconds(1) });
                migration = Migration.Start(moving, receiver.Uri, parameters, phase =>
                {
                    Assert.True(known.Wait(Patience.Limit));
                    GoOnAfterWrites(phase, () => moving, () => migration!.GetState(), () => migration!.Complete());
                });
                known.Set();
                Assert.True(migration.Wait(Patience.Limit));
                Assert.True(migration.Result!.State == MigrationStatus.Completed, migration.Result.ToString());
                Assert.True(migration.GetState().Current.XbzrlePages > 0);
                guest = Assert.Single(TestGuests.On(hosts[^1]));
            }
            Reference.AssertIntact(options, guest);
        }
        finally
        {
            TestGuests.RemoveAll([.. hosts]);
        }
    }

    [Theory]
    [InlineData(0, 64L << 20)]
    [InlineData(1L << 62, 1L << 62)]
    public void A_cache_larger_than_the_guest_is_cut_down_and_that_is_told(long given, long asked)
    {
        using var rig = new Rig(TestGuests.Options(GuestWorkload.Idle, size: 3 * TestGuests.MiB));
        rig.Parameters = rig.Parameters with { Means = MigrationMeans.Qemu, Xbzrle = true, XbzrleCacheSize = given };
        Assert.Equal(MigrationStatus.Completed, rig.Finish().State);
        var state = rig.Outgoing!.GetState();
        Assert.Equal(4 * TestGuests.MiB, state.Current.Xbzrle!.CacheSize);
        var decision = Assert.Single(state.Decisions, one => one.What == "XbzrleCacheSize");
        Assert.Equal(($"{asked} bytes", $"{4 * TestGuests.MiB} bytes"), (decision.From, decision.To));
    }

    [Fact]
    public void A_cache_that_fits_is_left_as_it_is_and_without_one_there_are_no_figures()
    {
        using var rig = new Rig(TestGuests.Options(GuestWorkload.Idle));
        rig.Parameters = rig.Parameters with { Means = MigrationMeans.Qemu, Xbzrle = true, XbzrleCacheSize = 4096 };
        Assert.Equal(MigrationStatus.Completed, rig.Finish().State);
        Assert.Equal(4096, rig.Outgoing!.GetState().Current.Xbzrle!.CacheSize);
        Assert.DoesNotContain(rig.Outgoing.GetState().Decisions, one => one.What == "XbzrleCacheSize");
        using var plain = new Rig(TestGuests.Options(GuestWorkload.Idle));
        plain.Finish();
        Assert.Null(plain.Outgoing!.GetState().Current.Xbzrle);
    }

    [Fact]
    public void Cancelled_among_differences_the_guest_runs_on()
    {
        using var rig = new Rig(TestGuests.Options(size: 4 * TestGuests.MiB, rate: 8 * TestGuests.MiB));
        rig.Parameters = rig.Parameters with { Means = MigrationMeans.Qemu, Xbzrle = true, MaxDowntime = TimeSpan.FromMilliseconds(1) };
        rig.PhaseEntered = phase => GoOnAfterWrites(phase, () => rig.Guest, () => rig.Outgoing!.GetState(), () => rig.Outgoing!.Cancel(wait: false));
        Assert.Equal(MigrationStatus.Cancelled, rig.Finish().State);
        Assert.True(rig.Outgoing!.GetState().Current.XbzrlePages > 0);
        rig.AssertRunsOnlyHere();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-4096)]
    [InlineData(12288)]
    [InlineData(long.MaxValue)]
    public void A_size_that_can_not_be_is_refused_before_anything_begins(long size)
    {
        using var rig = new Rig(TestGuests.Options(GuestWorkload.Idle));
        Failing.With(MigrationErrorId.InvalidParameter, () => Migration.Start(rig.Guest, MigrationUri.Parse($"local:{rig.Policy.HostName}"),
            new MigrationParameters { Means = MigrationMeans.Qemu, Xbzrle = true, XbzrleCacheSize = size }));
        Assert.False(rig.Guest.IsBusy);
    }

    /// <summary>
    /// Before each look at the log vCPUs get to write, so that every pass has something to send: what they write before a part goes with it.
    /// After the last pass, it ends.
    /// </summary>
    static void GoOnAfterWrites(MigrationPhase phase, Func<MemoryGuest> guest, Func<MigrationState> state, Action end)
    {
        if (phase != MigrationPhase.Pending) return;
        var ticks = guest().Ticks.Max();
        TestGuests.WaitForTick(guest(), ticks + 200);
        if (state().Current.Iteration == Passes) end();
    }
}
