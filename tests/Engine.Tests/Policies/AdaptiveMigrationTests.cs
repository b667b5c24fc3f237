using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Policies;

/// <summary>Adaptive, where no policy was named, in real migrations: within what the user permits, and the guest that arrives is the one that stayed.</summary>
public sealed class AdaptiveMigrationTests
{
    const long MiB = TestGuests.MiB;

    /// <summary>Walks through 8 MiB three times as fast as the link carries them: each pass leaves all of them.</summary>
    static Rig Walking(MigrationParameters parameters)
    {
        var rig = PolicyRig.Make(
            TestGuests.Options(GuestWorkload.Sequential, 12 * MiB, processors: 2, rate: 24 * MiB) with { WorkingSet = 8 * MiB, Content = GuestContent.Random, ContentSize = 12 * MiB },
            parameters with { MaxBandwidth = 8 * MiB });
        // Eight looks a pass and more: all that it writes to.
        rig.PhaseEntered = PolicyRig.WritesBetweenLooks(rig, 150, most: 0);
        return rig;
    }

    [Fact]
    public void Slows_the_guest_down_for_a_pass_or_two_where_that_is_permitted()
    {
        using var rig = Walking(new MigrationParameters { MaxThrottle = 97 });
        var result = rig.Finish();
        Assert.True(result.Verified, result.ToString());
        var (decided, state) = (rig.Decided(), rig.Outgoing!.GetState());
        Assert.All(decided, one => Assert.Equal("Adaptive", one.Policy));
        Assert.Equal(("Throttle", "0 %"), (decided[0].What, decided[0].From));
        Assert.Contains("MB fit", decided[0].Reason, StringComparison.Ordinal);
        Assert.InRange(state.Iterations.Max(one => one.ThrottlePercent), 1, 97);
        Assert.All(state.Iterations, one => Assert.InRange(one.DowntimeLimit, TimeSpan.FromMilliseconds(1), one.MaxDowntime));
        Assert.All(result.ThrottledTime, time => Assert.True(time > TimeSpan.Zero));
        // Two passes are looked at before anything is done.
        Assert.All(state.Iterations[..2], one => Assert.Equal(0, one.ThrottlePercent));
        rig.AssertUnthrottled();
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Auto_converge_beside_it_is_leave_to_slow_the_guest_down()
    {
        using var rig = Walking(new MigrationParameters { AutoConverge = true, Policy = MigrationPolicy.Find("Adaptive") });
        var result = rig.Finish();
        Assert.True(result.Verified, result.ToString());
        Assert.Contains(rig.Decided(), one => one is { What: "Throttle", Policy: "Adaptive" });
        Assert.DoesNotContain(rig.Decided(), one => one.Reason.Contains("for the second time", StringComparison.Ordinal));
        rig.AssertUnthrottled();
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Goes_over_where_only_that_is_permitted()
    {
        using var rig = PolicyRig.Stalling(null, 20, postcopy: true);
        var result = rig.Finish();
        Assert.Equal(MigrationStatus.Completed, result.State);
        Assert.NotNull(result.Postcopy);
        var decided = Assert.Single(rig.Decided());
        Assert.Equal(("Go over", "postcopy", "Adaptive"), (decided.What, decided.To, decided.Policy));
        Assert.Contains("Policy Adaptive: ", Assert.Single(rig.Outgoing!.GetState().Decisions, one => one.What == "Mode").Reason, StringComparison.Ordinal);
        Assert.All(result.ThrottledTime, time => Assert.Equal(TimeSpan.Zero, time));
        rig.AssertRunsOnlyThere();
    }

    [Theory]
    [InlineData(MigrationMode.Hybrid)]
    [InlineData(MigrationMode.Precopy)]
    public void When_to_go_over_stays_with_the_user_who_said_when(MigrationMode mode)
    {
        using var rig = PolicyRig.Stalling(null, 20, postcopy: true);
        // Later than it would by itself, or only at the end of the time.
        rig.Parameters = mode == MigrationMode.Hybrid
            ? rig.Parameters with { Mode = mode, PostcopyAfter = 8 }
            : rig.Parameters with { Timeout = TimeSpan.FromSeconds(5), OnTimeout = TimeoutAction.Postcopy };
        Assert.Equal(MigrationStatus.Completed, rig.Finish().State);
        Assert.Empty(rig.Decided());
        var reason = Assert.Single(rig.Outgoing!.GetState().Decisions, one => one.What == "Mode").Reason;
        Assert.StartsWith(mode == MigrationMode.Hybrid ? "-Mode Hybrid" : "-OnTimeout Postcopy", reason, StringComparison.Ordinal);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Does_nothing_where_nothing_is_permitted()
    {
        using var rig = PolicyRig.Stalling(null, 100);
        var outgoing = rig.Start();
        Patience.Until(() => outgoing.GetState().Current.Iteration > 8, "passes");
        Assert.Empty(rig.Decided());
        Assert.All(outgoing.GetState().Iterations, one => Assert.Equal((0, one.MaxDowntime), (one.ThrottlePercent, one.DowntimeLimit)));
        outgoing.Complete();
        var result = rig.Finish();
        Assert.True(result.Verified, result.ToString());
        Assert.All(result.ThrottledTime, time => Assert.Equal(TimeSpan.Zero, time));
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Observed_only_it_tells_what_it_would_do_and_does_nothing()
    {
        using var rig = Walking(new MigrationParameters { MaxThrottle = 97, ObserveOnly = true });
        var outgoing = rig.Start();
        Patience.Until(() => rig.Decided().Length > 0, "a decision");
        var pass = outgoing.GetState().Current.Iteration;
        Patience.Until(() => outgoing.GetState().Current.Iteration > pass + 1, "passes after it");
        Assert.All(outgoing.GetState().Iterations, one => Assert.Equal((0, one.MaxDowntime), (one.ThrottlePercent, one.DowntimeLimit)));
        outgoing.Complete();
        var result = rig.Finish();
        Assert.True(result.Verified, result.ToString());
        Assert.All(rig.Decided(), one => Assert.True(one.IsObserved));
        Assert.Equal("Throttle", rig.Decided()[0].What);
        Assert.All(result.ThrottledTime, time => Assert.Equal(TimeSpan.Zero, time));
        rig.AssertRunsOnlyThere();
    }
}
