using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Policies;

/// <summary>What the user changes of the way to the end while a migration runs binds at once, and is told.</summary>
public sealed class ChangedPolicyTests
{
    [Fact]
    public void Another_policy_begins_anew()
    {
        using var rig = PolicyRig.Stalling(PolicyRig.Policy(("Throttle to 60 %", [])), 600);
        rig.Parameters = rig.Parameters with { MaxDowntime = TimeSpan.FromMilliseconds(1) };
        var outgoing = rig.Start();
        Patience.Until(() => rig.Guest.ThrottlePercent == 60, "the throttle");
        outgoing.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(60)) { Policy = MigrationPolicy.Find("StallAware") with { StartDowntime = 0.0001 } });
        var result = rig.Finish();
        Assert.True(result.Verified, result.ToString());
        var state = outgoing.GetState();
        Assert.Equal(
            [("MaxDowntime", "1 ms", "1 min"), ("Policy", "test", "StallAware")],
            state.Decisions.Where(one => one.Reason.StartsWith("Set-Migration", StringComparison.Ordinal)).Select(one => (one.What, one.From, one.To)));
        var decided = rig.Decided();
        Assert.Contains(decided, one => (one.What, one.From, one.To, one.Policy) == ("Throttle", "60 %", "0 %", "StallAware"));
        Assert.Equal(("Switch over", "StallAware"), (decided[^1].What, decided[^1].Policy));
        rig.AssertUnthrottled();
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void A_policy_in_place_of_none_and_none_any_more()
    {
        using var rig = PolicyRig.Stalling(MigrationPolicy.Find("Qemu"), 1);
        var outgoing = rig.Start();
        outgoing.SetLimits(new MigrationLimits { Policy = PolicyRig.Policy(("Throttle to 60 %", []), ("Bandwidth to 4 MB/s", [])) });
        Patience.Until(() => rig.Guest.ThrottlePercent == 60, "the throttle");
        outgoing.SetLimits(new MigrationLimits { MaxThrottle = 20 });
        Patience.Until(() => rig.Guest.ThrottlePercent == 20, "less of it");
        outgoing.SetLimits(new MigrationLimits { Policy = MigrationPolicy.Find("Qemu") });
        Patience.Until(() => rig.Guest.ThrottlePercent == 0, "none");
        outgoing.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(100)));
        Assert.True(rig.Finish().Verified);
        Assert.Contains(outgoing.GetState().Decisions, one => (one.What, one.From, one.To) == ("MaxThrottle", "99 %", "20 %"));
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Auto_converge_can_be_taken_back_by_its_most()
    {
        using var rig = PolicyRig.Stalling(MigrationPolicy.Find("Qemu"), 1);
        rig.Parameters = rig.Parameters with { AutoConverge = true, ThrottleInitial = 30, ThrottleTrigger = 1 };
        var outgoing = rig.Start();
        Patience.Until(() => rig.Guest.ThrottlePercent >= 30, "the throttle");
        outgoing.SetLimits(new MigrationLimits { MaxThrottle = 0 });
        Patience.Until(() => rig.Guest.ThrottlePercent == 0, "none");
        outgoing.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(100)));
        Assert.True(rig.Finish().Verified);
        Assert.Contains(outgoing.GetState().Decisions, one => (one.What, one.From, one.To) == ("ThrottleInitial", "30 %", "1 %"));
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void What_can_not_be_is_refused_and_nothing_has_changed()
    {
        using var rig = PolicyRig.Stalling(MigrationPolicy.Find("Qemu"), 1);
        rig.Parameters = rig.Parameters with { ThrottleInitial = 50 };
        var outgoing = rig.Start();
        Failing.With(MigrationErrorId.InvalidParameter, () => outgoing.SetLimits(new MigrationLimits { MaxThrottle = 40, ThrottleInitial = 50 }));
        Failing.With(MigrationErrorId.InvalidPolicy, () => outgoing.SetLimits(new MigrationLimits { Policy = PolicyRig.Policy(("Cancel", [])) with { Name = "" } }));
        Assert.Null(outgoing.GetState().Parameters.MaxThrottle);
        Assert.DoesNotContain(outgoing.GetState().Decisions, one => one.Reason.StartsWith("Set-Migration", StringComparison.Ordinal));
        outgoing.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(100)));
        Assert.True(rig.Finish().Verified);
        rig.AssertRunsOnlyThere();
    }
}
