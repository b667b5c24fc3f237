using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Policies;

/// <summary>Adaptive holds the switch-over back in real migrations, and the guest that arrives is the one that stayed.</summary>
public sealed class ShorterStopMigrationTests
{
    const long MiB = TestGuests.MiB;

    /// <summary>Writes next to nothing: 3 s, at whose end 3 to 6 MiB of the first pass are left, which fit.</summary>
    static Rig Quiet(MigrationParameters parameters)
    {
        var rig = PolicyRig.Make(
            TestGuests.Options(GuestWorkload.Sequential, 96 * MiB, processors: 1, rate: MiB / 4) with { WorkingSet = 2 * MiB, Content = GuestContent.Random, ContentSize = 96 * MiB },
            parameters with { MaxBandwidth = 32 * MiB, MaxDowntime = TimeSpan.FromMilliseconds(200) });
        rig.Policy = Incoming.Policy(maxMemory: 96 * MiB);
        return rig;
    }

    [Fact]
    public void Goes_on_for_a_little_where_that_makes_the_stop_shorter()
    {
        using var rig = Quiet(new MigrationParameters());
        var result = rig.Finish();
        Assert.True(result.Verified, result.ToString());
        var decided = rig.Decided();
        Assert.Equal(["DowntimeLimit", "DowntimeLimit"], decided.Select(one => one.What));
        Assert.Equal(("200 ms", "200 ms"), (decided[0].From, decided[1].To));
        Assert.Equal(decided[0].To, decided[1].From);
        Assert.All(decided, one => Assert.Equal("Adaptive", one.Policy));
        Assert.Contains("for which the guest would stand for about", decided[0].Reason, StringComparison.Ordinal);
        Assert.All(rig.Outgoing!.GetState().Iterations, one => Assert.InRange(one.DowntimeLimit, TimeSpan.FromMilliseconds(1), one.MaxDowntime));
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Observed_only_it_tells_so_and_switches_over()
    {
        using var rig = Quiet(new MigrationParameters { ObserveOnly = true });
        var result = rig.Finish();
        Assert.True(result.Verified, result.ToString());
        var decided = rig.Decided();
        Assert.All(decided, one => Assert.True(one.IsObserved));
        Assert.Equal(("DowntimeLimit", "200 ms"), (decided[0].What, decided[0].From));
        Assert.All(rig.Outgoing!.GetState().Iterations, one => Assert.Equal(one.MaxDowntime, one.DowntimeLimit));
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void With_the_policy_Qemu_it_does_not()
    {
        using var rig = Quiet(new MigrationParameters { Policy = MigrationPolicy.Find("Qemu") });
        var result = rig.Finish();
        Assert.True(result.Verified, result.ToString());
        Assert.Empty(rig.Decided());
        rig.AssertRunsOnlyThere();
    }
}
