using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Policies;

/// <summary>What is done when the time allowed is over.</summary>
public sealed class TimeoutTests
{
    static Rig Stalling(TimeoutAction onTimeout)
    {
        var rig = PolicyRig.Stalling(null, 1);
        rig.Parameters = rig.Parameters with
        {
            Timeout = TimeSpan.FromSeconds(2), OnTimeout = onTimeout, Postcopy = onTimeout == TimeoutAction.Postcopy, Verify = onTimeout != TimeoutAction.Postcopy,
        };
        return rig;
    }

    [Fact]
    public void Cancel_leaves_the_guest_where_it_is()
    {
        using var rig = Stalling(TimeoutAction.Cancel);
        var result = rig.Finish();
        Assert.Equal((MigrationStatus.Failed, MigrationErrorId.Timeout, GuestLocation.Source), (result.State, result.Error!.Id, result.Location));
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void SwitchOver_switches_over_although_more_is_left_than_is_allowed()
    {
        using var rig = Stalling(TimeoutAction.SwitchOver);
        var result = rig.Finish();
        Assert.True(result.Verified, result.ToString());
        Assert.Contains(rig.Outgoing!.GetState().Decisions, one => one.What == "Switch over" && one.Reason.StartsWith("-OnTimeout SwitchOver", StringComparison.Ordinal));
        Assert.True(result.TotalTime >= TimeSpan.FromSeconds(2));
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Postcopy_goes_over_before_the_memory()
    {
        using var rig = Stalling(TimeoutAction.Postcopy);
        var result = rig.Finish();
        Assert.Equal(MigrationStatus.Completed, result.State);
        Assert.StartsWith("-OnTimeout Postcopy", rig.Outgoing!.GetState().Decisions.Single(one => one.What == "Mode").Reason, StringComparison.Ordinal);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void SwitchOver_also_ends_the_wait_before_the_switch_over()
    {
        using var rig = PolicyRig.Make(TestGuests.Options(GuestWorkload.Idle), new MigrationParameters
        {
            PauseBeforeSwitchover = true, Timeout = TimeSpan.FromSeconds(1), OnTimeout = TimeoutAction.SwitchOver,
        });
        Assert.True(rig.Finish().Verified);
        Assert.NotNull(rig.Arrived);
        Assert.Equal(rig.Arrived.Digest(), Reference.DigestAt(rig.Options, rig.Arrived.Ticks));
    }

    [Fact]
    public void What_is_allowed_to_be_slowed_down_by_nothing_is_not_refused()
    {
        var parameters = (new MigrationParameters { AutoConverge = true, ThrottleInitial = 30 }).Validate();
        parameters = new MigrationLimits { MaxThrottle = 20 }.ApplyTo(parameters);
        Assert.Equal((20, 20), (parameters.MaxThrottle, parameters.ThrottleInitial));
        parameters = new MigrationLimits { MaxThrottle = 0 }.ApplyTo(parameters);
        // The least that a step can be.
        Assert.Equal((0, 1), (parameters.MaxThrottle, parameters.ThrottleInitial));
        Failing.With(MigrationErrorId.InvalidParameter, () => new MigrationLimits { ThrottleInitial = 2 }.ApplyTo(parameters));
    }

    [Fact]
    public void A_QEMUs_auto_converge_can_not_do_without_any_throttle()
    {
        var parameters = new MigrationParameters { AutoConverge = true };
        DrivenPolicy.Check(parameters, "web01");
        var error = Failing.With(MigrationErrorId.UnsupportedByGuest, () => DrivenPolicy.CheckChange(parameters, parameters with { MaxThrottle = 0 }, steers: false, "web01"));
        Assert.Contains("MaxThrottle can't be 0", error.Message, StringComparison.Ordinal);
        DrivenPolicy.Check(new MigrationParameters { MaxThrottle = 0 }, "web01");
    }

    [Fact]
    public void What_can_not_be_is_refused()
    {
        var good = new MigrationParameters { Timeout = TimeSpan.FromSeconds(1) };
        foreach (var bad in new[]
        {
            good with { OnTimeout = TimeoutAction.Postcopy }, good with { OnTimeout = (TimeoutAction)7 }, good with { Timeout = null, OnTimeout = TimeoutAction.SwitchOver },
            good with { ObserveOnly = true, Policy = MigrationPolicy.Find("Qemu") },
            good with { MaxThrottle = -1 }, good with { MaxThrottle = 100 },
            good with { ThrottleInitial = 0 }, good with { ThrottleInitial = 30, MaxThrottle = 20 }, good with { ThrottleIncrement = 100 },
            good with { ThrottleTrigger = 0 }, good with { ThrottleTrigger = 101 }, good with { VcpuDirtyLimit = TestGuests.MiB - 1 },
        })
            Failing.With(MigrationErrorId.InvalidParameter, () => bad.Validate());
        Failing.With(MigrationErrorId.InvalidPolicy, () => (good with { Policy = new MigrationPolicy { Name = "" } with { StartDowntime = 0.5 } }).Validate());
    }
}
