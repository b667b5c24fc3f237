using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Policies;

/// <summary>Each built-in policy in a real migration: it does what it is for, what arrives is the guest that stayed, and each decision is told.</summary>
public sealed class PolicyMigrationTests
{
    const long MiB = TestGuests.MiB;

    [Fact]
    public void Qemu_decides_nothing()
    {
        using var rig = PolicyRig.Stalling(MigrationPolicy.Find("Qemu"), 1000);
        var result = rig.Finish();
        Assert.True(result.Verified, result.ToString());
        Assert.Empty(rig.Decided());
        Assert.All(result.ThrottledTime, time => Assert.Equal(TimeSpan.Zero, time));
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void AutoConverge_slows_the_guest_down_until_it_fits_and_that_ends_with_the_migration()
    {
        using var rig = PolicyRig.Busy(new MigrationParameters { AutoConverge = true, ThrottleInitial = 70, ThrottleIncrement = 29, MaxThrottle = 97 }, most: 97);
        var result = rig.Finish();
        Assert.True(result.Verified, result.ToString());
        var steps = rig.Decided();
        Assert.Equal(("Throttle", "0 %", "70 %", "AutoConverge"), (steps[0].What, steps[0].From, steps[0].To, steps[0].Policy));
        Assert.Equal(("70 %", "97 %"), (steps[1].From, steps[1].To));
        Assert.Equal(2, steps.Length);
        Assert.Contains("more than 50 %, for the second time", steps[0].Reason, StringComparison.Ordinal);
        Assert.Equal(2, result.ThrottledTime.Length);
        Assert.All(result.ThrottledTime, time => Assert.True(time > TimeSpan.Zero));
        Assert.Equal(97, rig.Outgoing!.GetState().Iterations.Max(one => one.ThrottlePercent));
        rig.AssertUnthrottled();
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void DirtyLimit_slows_down_each_vCPU_that_writes_too_fast()
    {
        using var rig = PolicyRig.Busy(new MigrationParameters { Policy = MigrationPolicy.Find("DirtyLimit"), VcpuDirtyLimit = MiB }, most: 1, rate: 0);
        var outgoing = rig.Start();
        Patience.Until(() => rig.Guest.Cpus.All(cpu => cpu.ThrottledTime > TimeSpan.Zero), "both vCPUs to be held back");
        outgoing.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(100)));
        var result = rig.Finish();
        Assert.True(result.Verified, result.ToString());
        var decided = rig.Decided();
        Assert.Equal(("DirtyLimit", "off", "1 MB/s"), (decided[0].What, decided[0].From, decided[0].To));
        Assert.Equal(("Throttle", "0, 0 %"), (decided[1].What, decided[1].From));
        rig.AssertUnthrottled();
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void StallAware_switches_over_where_passes_bring_nothing_more()
    {
        using var rig = PolicyRig.Stalling(MigrationPolicy.Find("StallAware"), 600);
        var result = rig.Finish();
        Assert.True(result.Verified, result.ToString());
        var decided = rig.Decided();
        Assert.Equal(("DowntimeLimit", "600 ms", "200 ms"), (decided[0].What, decided[0].From, decided[0].To));
        Assert.Equal(("Switch over", "now", "StallAware"), (decided[^1].What, decided[^1].To, decided[^1].Policy));
        Assert.Contains("StalledPasses", decided[^1].Reason, StringComparison.Ordinal);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void DowntimeRamp_raises_the_limit_as_far_as_is_needed_and_no_further()
    {
        using var rig = PolicyRig.Stalling(MigrationPolicy.Find("DowntimeRamp"), 600);
        var result = rig.Finish();
        Assert.True(result.Verified, result.ToString());
        var limits = rig.Decided().Select(one => (one.What, one.To)).ToArray();
        Assert.Equal([("DowntimeLimit", "60 ms"), ("DowntimeLimit", "90 ms"), ("DowntimeLimit", "135 ms")], limits[..3]);
        var state = rig.Outgoing!.GetState();
        Assert.All(state.Iterations, one => Assert.InRange(one.DowntimeLimit, TimeSpan.FromMilliseconds(60), one.MaxDowntime));
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void What_the_user_allows_holds_although_it_never_ends()
    {
        using var rig = PolicyRig.Stalling(MigrationPolicy.Find("DowntimeRamp"), 100);
        var outgoing = rig.Start();
        Patience.Until(() => rig.Decided() is { Length: > 1 } decided && decided[^1].To == "100 ms", "the limit to be as high as it may");
        var pass = outgoing.GetState().Current.Iteration;
        Patience.Until(() => outgoing.GetState().Current.Iteration > pass + 3, "passes after that");
        Assert.Equal(CancelOutcome.Cancelled, outgoing.Cancel(wait: true).Outcome);
        rig.Finish();
        Assert.Equal("100 ms", rig.Decided()[^1].To);
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void Observed_only_nothing_is_done_and_all_is_told()
    {
        using var rig = PolicyRig.Stalling(PolicyRig.Policy(
            ("Throttle to 90 %", ["Pass >= 1"]), ("DowntimeLimit to 5 ms", []), ("Bandwidth to 10 KB/s", []), ("Cancel", ["Pass >= 2"])), 100);
        rig.Parameters = rig.Parameters with { ObserveOnly = true };
        var outgoing = rig.Start();
        Patience.Until(() => outgoing.GetState().Current.Iteration > 4, "passes");
        var state = outgoing.GetState();
        Assert.All(state.Iterations, one => Assert.Equal((0, one.MaxDowntime), (one.ThrottlePercent, one.DowntimeLimit)));
        outgoing.Complete();
        var result = rig.Finish();
        Assert.True(result.Verified, result.ToString());
        var decided = rig.Decided();
        Assert.All(decided, one => Assert.True(one.IsObserved));
        Assert.Equal(["Throttle", "DowntimeLimit", "Bandwidth", "Cancel"], decided.Select(one => one.What));
        Assert.All(result.ThrottledTime, time => Assert.Equal(TimeSpan.Zero, time));
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void A_rule_cancels_and_says_so()
    {
        using var rig = PolicyRig.Stalling(PolicyRig.Policy(("Cancel", ["Pass >= 3"])), 100);
        var result = rig.Finish();
        Assert.Equal((MigrationStatus.Cancelled, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal(("Cancel", "cancelled"), (rig.Decided()[^1].What, rig.Decided()[^1].To));
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void A_rule_goes_over_to_postcopy_where_that_is_allowed()
    {
        using var rig = PolicyRig.Stalling(PolicyRig.Policy(("SwitchToPostcopy", ["Pass >= 2"])), 20, postcopy: true);
        Assert.Equal(MigrationStatus.Completed, rig.Finish().State);
        var mode = Assert.Single(rig.Outgoing!.GetState().Decisions, one => one.What == "Mode");
        Assert.Contains("Policy test: Pass 2 (>= 2).", mode.Reason, StringComparison.Ordinal);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void A_rule_holds_the_bandwidth_below_what_the_user_allows()
    {
        using var rig = PolicyRig.Stalling(PolicyRig.Policy(("Bandwidth to 2 MB/s", ["Pass >= 2"])), 100);
        var outgoing = rig.Start();
        Patience.Until(() => rig.Decided().Length > 0, "the rule");
        var pass = outgoing.GetState().Current.Iteration;
        Patience.Until(() => outgoing.GetState().Current.Iteration > pass + 1, "a pass after it");
        // Each window carries a tenth of it, a page or two more at most.
        Assert.InRange(outgoing.GetState().Current.Bandwidth, 1, 4 * MiB);
        outgoing.Complete();
        Assert.True(rig.Finish().Verified);
        rig.AssertRunsOnlyThere();
    }
}
