using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;
using PsMigrate.Engine.Source;
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

    static MigrationDecision Changed(OutgoingMigration migration) =>
        migration.GetState().Decisions.Single(one => one.What == "OnTimeout" && one.Reason == "Set-Migration was called.");

    [Theory]
    [InlineData(TimeoutAction.SwitchOver)]
    [InlineData(TimeoutAction.Cancel)]
    public void What_is_done_can_be_changed_on_the_way(TimeoutAction action)
    {
        // By what is there at the start it would end otherwise.
        using var rig = Stalling(action == TimeoutAction.Cancel ? TimeoutAction.SwitchOver : TimeoutAction.Cancel);
        rig.Parameters = rig.Parameters with { Timeout = TimeSpan.FromHours(1) };
        var migration = rig.Start();
        Patience.Until(() => migration.GetState().Current.Iteration > 1, "a pass");
        migration.SetLimits(new MigrationLimits { OnTimeout = action });
        Assert.Equal((rig.Parameters.OnTimeout.ToString(), action.ToString()), (Changed(migration).From, Changed(migration).To));
        migration.SetLimits(new MigrationLimits(Timeout: TimeSpan.FromMilliseconds(1)));
        var result = rig.Finish();
        if (action == TimeoutAction.SwitchOver)
        {
            Assert.True(result.Verified, result.ToString());
            Assert.Contains(migration.GetState().Decisions, one => one.Reason.StartsWith("-OnTimeout SwitchOver", StringComparison.Ordinal));
            rig.AssertRunsOnlyThere();
            return;
        }
        Assert.Equal((MigrationErrorId.Timeout, GuestLocation.Source), (result.Error!.Id, result.Location));
        rig.AssertRunsOnlyHere();
    }

    /// <summary>A receiver of ours can always be gone over to.</summary>
    [Fact]
    public void Postcopy_can_be_wanted_on_the_way_with_the_time_that_it_needs()
    {
        using var rig = PolicyRig.Stalling(null, 1);
        rig.Parameters = rig.Parameters with { Verify = false };
        var migration = rig.Start();
        Patience.Until(() => migration.GetState().Current.Iteration > 1, "a pass");
        Failing.With(MigrationErrorId.InvalidParameter, () => migration.SetLimits(new MigrationLimits { OnTimeout = TimeoutAction.Postcopy }));
        Assert.False(migration.GetState().Parameters.Postcopy);
        migration.SetLimits(new MigrationLimits(Timeout: TimeSpan.FromMilliseconds(1)) { OnTimeout = TimeoutAction.Postcopy });
        Assert.Equal(MigrationStatus.Completed, rig.Finish().State);
        Assert.StartsWith("-OnTimeout Postcopy", migration.GetState().Decisions.Single(one => one.What == "Mode").Reason, StringComparison.Ordinal);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Postcopy_can_not_be_wanted_of_what_is_compared_at_the_end()
    {
        using var rig = PolicyRig.Stalling(null, 1);
        var migration = rig.Start();
        Patience.Until(() => migration.GetState().Current.Iteration > 1, "a pass");
        Failing.With(MigrationErrorId.InvalidParameter, () => migration.SetLimits(new MigrationLimits(Timeout: TimeSpan.FromHours(1)) { OnTimeout = TimeoutAction.Postcopy }));
        Assert.Equal((TimeoutAction.Cancel, null), (migration.GetState().Parameters.OnTimeout, migration.GetState().Parameters.Timeout));
        Assert.Equal(CancelOutcome.Cancelled, migration.Cancel(wait: true).Outcome);
        rig.Finish();
        rig.AssertRunsOnlyHere();
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
