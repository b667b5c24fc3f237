using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.EarlyEnds;

/// <summary>Time, bandwidth and downtime limits, and what can be changed while a migration runs.</summary>
public sealed class LimitTests
{
    /// <summary>A guest that dirties all its memory at ten times the bandwidth: it never fits.</summary>
    static Rig Endless() => new(TestGuests.Options(GuestWorkload.Sequential, 4 * TestGuests.MiB, rate: 160 * TestGuests.MiB)
        with { Content = GuestContent.Random, ContentSize = 0 })
    {
        Parameters = new()
        {
            Verify = true, MaxBandwidth = 16 * TestGuests.MiB, MaxDowntime = TimeSpan.FromMilliseconds(10), Means = MigrationMeans.Qemu,
        },
    };

    static void WaitForPasses(Rig rig, int passes)
    {
        var next = 0;
        for (var i = 0; i < passes; i++) Assert.True(rig.Outgoing!.TryTakeIteration(ref next, out _, Patience.Limit));
    }

    [Fact]
    public void The_time_allowed_ends_it_and_the_guest_runs_on_here()
    {
        using var rig = Endless();
        rig.Parameters = rig.Parameters with { Timeout = TimeSpan.FromMilliseconds(300) };
        var result = rig.Finish();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal((MigrationErrorId.Timeout, MigrationSide.Source, GuestLocation.Source), (result.Error!.Id, result.Error.Side, result.Error.Location!.Value));
        Assert.NotNull(result.Error.Phase);
        Assert.True(result.Error.IsRetryable);
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void A_guest_that_can_not_converge_does_when_the_bandwidth_is_raised()
    {
        using var rig = Endless();
        rig.Start();
        WaitForPasses(rig, 3);
        Assert.Equal(MigrationStatus.Active, rig.Outgoing!.Status);
        rig.Outgoing.SetLimits(new MigrationLimits(null, 0, null));
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
        Assert.Equal(0, rig.Outgoing.GetState().Parameters.MaxBandwidth);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void A_guest_that_can_not_converge_does_when_the_downtime_is_raised()
    {
        using var rig = Endless();
        rig.Start();
        WaitForPasses(rig, 3);
        rig.Outgoing!.SetLimits(new MigrationLimits(TimeSpan.FromSeconds(2), null, null));
        Assert.True(rig.Finish().Verified);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void A_guest_that_can_not_converge_switches_over_when_told_and_that_is_recorded()
    {
        using var rig = Endless();
        rig.Start();
        WaitForPasses(rig, 2);
        var state = rig.Outgoing!.GetState();
        Assert.Contains(state.Bottleneck, new[]
        {
            MigrationBottleneck.BandwidthCapped, MigrationBottleneck.DirtyRateExceedsBandwidth, MigrationBottleneck.DowntimeBudgetTooSmall,
        });
        Assert.NotEqual("", state.Advice);
        rig.Outgoing.Complete();
        Assert.True(rig.Finish().Verified);
        Assert.Contains(rig.Outgoing.GetState().Decisions, decision => decision.What == "Switch over" && decision.Reason.Length > 0);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void A_time_limit_that_is_set_later_counts_from_the_start()
    {
        using var rig = Endless();
        rig.Start();
        WaitForPasses(rig, 1);
        rig.Outgoing!.SetLimits(new MigrationLimits(null, null, TimeSpan.FromMilliseconds(1)));
        Assert.Equal(MigrationErrorId.Timeout, rig.Finish().Error!.Id);
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void Limits_that_can_not_be_change_nothing()
    {
        using var rig = Endless();
        rig.Start();
        Refused(MigrationErrorId.InvalidParameter, rig.Outgoing!, new MigrationLimits(TimeSpan.Zero, 5, null));
        Refused(MigrationErrorId.InvalidParameter, rig.Outgoing!, new MigrationLimits(null, -1, null));
        Refused(MigrationErrorId.InvalidParameter, rig.Outgoing!, new MigrationLimits(null, null, TimeSpan.Zero));
        Assert.Equal(rig.Parameters, rig.Outgoing!.GetState().Parameters);
        rig.Outgoing.Cancel(wait: true);
        Refused(MigrationErrorId.InvalidState, rig.Outgoing, new MigrationLimits(null, 5, null));
        Assert.Equal(MigrationErrorId.InvalidState, Assert.Throws<MigrationException>(() => rig.Outgoing.Complete()).Id);
        rig.Finish();
        rig.AssertRunsOnlyHere();
    }

    [Theory]
    [InlineData("complete")]
    [InlineData("cancel")]
    [InlineData("timeout")]
    [InlineData("cut")]
    public void Stopped_before_the_switch_over_the_guest_waits_for_leave(string end)
    {
        using var rig = new Rig();
        rig.Parameters = rig.Parameters with { PauseBeforeSwitchover = true };
        rig.Start();
        Patience.Until(() => rig.Outgoing!.Status == MigrationStatus.PreSwitchover, "the stop before the switch-over");
        Assert.Equal(GuestState.FinishMigrate, rig.Guest.State);
        Assert.Equal(MigrationBottleneck.WaitingForSwitchover, rig.Outgoing!.GetState().Bottleneck);
        Assert.Equal(MigrationErrorId.GuestBusy, Assert.Throws<MigrationException>(() => rig.Guest.Resume()).Id);
        Assert.Equal(MigrationErrorId.GuestBusy, Assert.Throws<MigrationException>(() => GuestRegistry.Remove(rig.Guest)).Id);
        if (end == "complete") rig.Outgoing.Complete();
        if (end == "cancel") rig.Outgoing.Cancel(wait: false);
        if (end == "timeout") rig.Outgoing.SetLimits(new MigrationLimits(null, null, TimeSpan.FromMilliseconds(1)));
        if (end == "cut") rig.DestinationEnd!.Abort();
        var result = rig.Finish();
        Assert.Equal(end switch { "complete" => MigrationStatus.Completed, "cancel" => MigrationStatus.Cancelled, _ => MigrationStatus.Failed }, result.State);
        Assert.Equal(end switch { "timeout" => MigrationErrorId.Timeout, "cut" => MigrationErrorId.ConnectionLost, _ => (MigrationErrorId?)null }, result.Error?.Id);
        Assert.True(end != "complete" || result.DowntimeParts.Waiting > TimeSpan.Zero);
        if (end == "complete") rig.AssertRunsOnlyThere();
        else rig.AssertRunsOnlyHere();
    }

    static void Refused(MigrationErrorId id, OutgoingMigration migration, MigrationLimits limits) =>
        Assert.Equal(id, Assert.Throws<MigrationException>(() => migration.SetLimits(limits)).Id);
}
