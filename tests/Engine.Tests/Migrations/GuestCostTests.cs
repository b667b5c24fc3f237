using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Migrations;

/// <summary>What a migration cost its guest, as the result tells.</summary>
public sealed class GuestCostTests
{
    /// <summary>A guest whose first pass takes four seconds, and that dirties more than may be left whatever it is slowed down by.</summary>
    static Rig Endless()
    {
        var rig = new Rig(TestGuests.Options(GuestWorkload.Random, rate: 40 * TestGuests.MiB) with { Content = GuestContent.Random, ContentSize = 0 });
        rig.Parameters = rig.Parameters with
        {
            MaxBandwidth = 4 * TestGuests.MiB, MaxDowntime = TimeSpan.FromMilliseconds(1), Means = MigrationMeans.Qemu, Policy = BuiltInPolicies.Qemu,
        };
        return rig;
    }

    static void RunFor(MemoryGuest guest, TimeSpan time) =>
        Patience.Until(() => guest.Uptime > time && guest.RecentWriteRate is not null, $"{guest.Name} to have run for {time}");

    [Fact]
    public void Its_own_writes_are_counted_before_during_and_after()
    {
        using var rig = new Rig();
        RunFor(rig.Guest, TimeSpan.FromSeconds(1));
        var result = rig.Finish();
        Assert.True(result.Verified);
        var cost = result.Cost!;
        Assert.True(cost.WriteRateBefore > 0);
        Assert.True(cost.WriteRateDuring > 0);
        Assert.Equal(result.Downtime, cost.Downtime);
        Assert.Equal((TimeSpan.Zero, (TimeSpan?)null), (cost.ThrottledTime, cost.BlockedTime));
        Patience.Until(() => cost.WriteRateAfter is not null, "the guest to have run at the destination");
        Assert.True(cost.WriteRateAfter > 0);
        Assert.Equal("", cost.Unknown);
        // No faster than it is asked to, but for what it makes up for.
        foreach (var rate in new[] { cost.WriteRateBefore, cost.WriteRateAfter }) Assert.InRange(rate!.Value, 1, 1.5 * rig.Options.DirtyRate);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Each_pass_has_what_was_written_in_it()
    {
        using var rig = new Rig(TestGuests.Options(rate: 80 * TestGuests.MiB)) { };
        rig.Parameters = rig.Parameters with { MaxBandwidth = 40 * TestGuests.MiB };
        rig.Finish();
        var iterations = rig.Outgoing!.GetState().Iterations;
        Assert.All(iterations[..^1], pass => Assert.True(pass.WriteRate >= 0));
        Assert.Contains(iterations, pass => pass.WriteRate > 0);
        // What is distinct is no more than what was written, but for ticks that were under way.
        var first = iterations[0];
        Assert.True(first.DirtyRate <= (first.WriteRate * 1.1) + TestGuests.MiB, $"{first.DirtyRate} {first.WriteRate}");
    }

    [Fact]
    public void A_guest_that_is_held_back_writes_less_and_the_result_says_so()
    {
        using var rig = Endless();
        RunFor(rig.Guest, TimeSpan.FromSeconds(1));
        rig.Start();
        rig.Guest.ThrottleForMigration(90);
        var throttled = rig.Guest.Cpus[0];
        Patience.Until(() => throttled.ThrottledTime > TimeSpan.FromSeconds(1), "the guest to be held back");
        rig.Outgoing!.SetLimits(new MigrationLimits(TimeSpan.FromSeconds(1000), 0, null));
        var cost = rig.Finish().Cost!;
        Assert.True(cost.ThrottledTime > TimeSpan.FromSeconds(1));
        Assert.True(cost.WriteRateDuring < cost.WriteRateBefore, $"{cost}");
        Assert.InRange(cost.Slowdown!.Value, 0.01, 1);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void A_guest_that_stays_has_no_rate_elsewhere()
    {
        using var rig = Endless();
        rig.Start();
        Patience.Until(() => rig.Outgoing!.Status == MigrationStatus.Active, "pages to go");
        rig.Outgoing!.Cancel(wait: true);
        var cost = rig.Finish().Cost!;
        Assert.Null(cost.WriteRateAfter);
        Assert.Contains("did not go over", cost.Unknown, StringComparison.Ordinal);
        Assert.Equal(TimeSpan.Zero, cost.Downtime);
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void A_guest_that_stands_writes_nothing_and_was_kept_from_nothing()
    {
        using var rig = new Rig(TestGuests.Options() with { StartSuspended = true });
        var cost = rig.Finish().Cost!;
        Assert.Equal((0.0, 0.0), (cost.WriteRateBefore, cost.WriteRateDuring));
        Assert.Null(cost.Slowdown);
        Assert.Equal(TimeSpan.Zero, cost.Downtime);
        Assert.Contains("stood", cost.Unknown, StringComparison.Ordinal);
    }

    [Fact]
    public void A_guest_that_never_writes_has_a_rate_of_nothing()
    {
        var guest = TestGuests.Create(TestGuests.Options(GuestWorkload.Idle, rate: 0));
        Assert.Equal(0, guest.RecentWriteRate);
        TestGuests.RemoveAll(guest.Host);
    }

    [Fact]
    public void One_that_has_just_begun_to_run_says_nothing_yet_and_a_moment_of_rest_does_not_count()
    {
        var guest = TestGuests.Create();
        RunFor(guest, TimeSpan.FromMilliseconds(500));
        guest.Digest();
        Assert.NotNull(guest.RecentWriteRate);
        guest.Suspend();
        Assert.Equal(0, guest.RecentWriteRate);
        TestGuests.RemoveAll(guest.Host);
    }
}
