using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Migrations;

/// <summary>The engine chooses its means: what arrives is the guest that stayed, and each choice can be read.</summary>
public sealed class MeansTests
{
    const long MiB = TestGuests.MiB;

    [Theory]
    [InlineData(GuestWorkload.Idle, GuestContent.Zero)]
    [InlineData(GuestWorkload.Sequential, GuestContent.Zero)]
    [InlineData(GuestWorkload.Random, GuestContent.Zero)]
    [InlineData(GuestWorkload.HotSpot, GuestContent.Zero)]
    [InlineData(GuestWorkload.WalkingIncrement, GuestContent.Zero)]
    [InlineData(GuestWorkload.Sequential, GuestContent.Random)]
    [InlineData(GuestWorkload.Random, GuestContent.Random)]
    [InlineData(GuestWorkload.HotSpot, GuestContent.Mixed)]
    [InlineData(GuestWorkload.WalkingIncrement, GuestContent.Text)]
    public void Under_a_limit_that_binds_it_arrives_as_the_guest_that_stayed(GuestWorkload workload, GuestContent content)
    {
        using var rig = Rig(workload, content, 8 * MiB);
        rig.Parameters = rig.Parameters with { MaxBandwidth = 40 * MiB };
        if (workload != GuestWorkload.Idle) rig.PhaseEntered = At(rig, passes: 8, outgoing => outgoing.Complete());
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
        if (workload != GuestWorkload.Idle) rig.AssertRunsOnlyThere();
        else Reference.AssertIntact(rig.Options, rig.Arrived!);
    }

    [Fact]
    public void A_guest_with_a_byte_in_each_page_goes_in_a_hundredth_of_the_bytes()
    {
        var (adaptive, qemu) = (Walk(MigrationMeans.Adaptive), Walk(MigrationMeans.Qemu));
        Assert.Contains(adaptive.Decisions, one => one is { What: "Sparse pages", From: "off", To: "on" });
        Assert.DoesNotContain(qemu.Decisions, one => one.What is "Sparse pages" or "Differences");
        // Each page once at least.
        Assert.True(qemu.Current.TransferredBytes > 8 * MiB, $"{qemu.Current.TransferredBytes} bytes");
        Assert.Equal(0, qemu.Current.SparsePages);
        Assert.True(adaptive.Current.TransferredBytes < qemu.Current.TransferredBytes / 100, $"{adaptive.Current.TransferredBytes} bytes");
        Assert.Equal(2048, adaptive.Current.SparsePages);
        Assert.Equal(0, adaptive.Current.NormalPages);
    }

    /// <summary>Every page is written once before the migration begins, and none after.</summary>
    static MigrationState Walk(MigrationMeans means)
    {
        using var rig = Rig(GuestWorkload.WalkingIncrement, GuestContent.Zero, 8 * MiB, processors: 1);
        rig.Guest.StopAtTick(2048);
        TestGuests.WaitForTick(rig.Guest, 2048);
        rig.Parameters = rig.Parameters with { Means = means };
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
        return rig.Outgoing!.GetState();
    }

    [Fact]
    public void Where_a_limit_binds_dense_pages_come_to_go_as_differences_and_that_is_told()
    {
        // It writes all its pages again and again, ten times as fast as the link may carry them whole.
        using var rig = Rig(GuestWorkload.Sequential, GuestContent.Random, 8 * MiB);
        rig.Parameters = rig.Parameters with { MaxBandwidth = 40 * MiB };
        rig.PhaseEntered = At(rig, passes: 30, outgoing => outgoing.Complete());
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
        var state = rig.Outgoing!.GetState();
        var begun = state.Decisions.First(one => one.What == "Differences");
        Assert.Equal(("off", "on"), (begun.From, begun.To));
        Assert.Contains("MB/s binds", begun.Reason, StringComparison.Ordinal);
        Assert.True(state.Current.Xbzrle!.Pages > state.Current.Xbzrle.Overflow, state.Current.Xbzrle.ToString());
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void With_the_means_of_qemu_nothing_is_chosen()
    {
        using var rig = Rig(GuestWorkload.Sequential, GuestContent.Random, 8 * MiB);
        rig.Parameters = rig.Parameters with { MaxBandwidth = 40 * MiB, Means = MigrationMeans.Qemu };
        rig.PhaseEntered = At(rig, passes: 8, outgoing => outgoing.Complete());
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
        var state = rig.Outgoing!.GetState();
        Assert.Equal("Switch over", Assert.Single(state.Decisions).What);
        Assert.Null(state.Current.Xbzrle);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Differences_that_do_not_pay_are_given_up_and_looked_at_again()
    {
        // A cache of one page finds nothing of what comes in turn.
        using var rig = Rig(GuestWorkload.Sequential, GuestContent.Random, 8 * MiB);
        rig.Parameters = rig.Parameters with { MaxBandwidth = 80 * MiB, Xbzrle = true, XbzrleCacheSize = 4096 };
        rig.PhaseEntered = At(rig, passes: 12, outgoing => outgoing.Complete());
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
        var told = rig.Outgoing!.GetState().Decisions.Where(one => one.What == "Differences").ToArray();
        Assert.Equal(("on", "off"), (told[0].From, told[0].To));
        Assert.Contains("do not pay", told[0].Reason, StringComparison.Ordinal);
        Assert.Equal(("off", "on"), (told[1].From, told[1].To));
        rig.AssertRunsOnlyThere();
    }

    [Theory]
    [InlineData(0, 16)]
    [InlineData(8, 8)]
    [InlineData(1024, 16)]
    public void The_cache_takes_another_size_while_it_runs(long mebibytes, long expected)
    {
        using var rig = Rig(GuestWorkload.HotSpot, GuestContent.Random, 16 * MiB);
        rig.Parameters = rig.Parameters with { MaxBandwidth = 80 * MiB, Xbzrle = true, XbzrleCacheSize = 1 * MiB };
        rig.PhaseEntered = At(rig, passes: 3, outgoing => outgoing.SetLimits(new MigrationLimits(XbzrleCacheSize: mebibytes * MiB)),
            passesToEnd: 6, outgoing => outgoing.Complete());
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
        var state = rig.Outgoing!.GetState();
        Assert.Equal(expected * MiB, state.Current.Xbzrle!.CacheSize);
        Assert.Equal(mebibytes * MiB, state.Parameters.XbzrleCacheSize);
        Assert.Equal(mebibytes is 0 or 1024, state.Decisions.Any(one => one.What == "XbzrleCacheSize"));
        rig.AssertRunsOnlyThere();
    }

    [Theory]
    [InlineData(12288)]
    [InlineData(-4096)]
    public void A_size_of_cache_that_can_not_be_is_refused_and_changes_nothing(long size)
    {
        using var rig = Rig(GuestWorkload.HotSpot, GuestContent.Random, 4 * MiB);
        rig.Parameters = rig.Parameters with { PauseBeforeSwitchover = true, Xbzrle = true };
        rig.Start();
        Failing.With(MigrationErrorId.InvalidParameter, () => rig.Outgoing!.SetLimits(new MigrationLimits(XbzrleCacheSize: size)));
        Assert.Equal(0, rig.Outgoing!.GetState().Parameters.XbzrleCacheSize);
        rig.Outgoing.Complete();
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
    }

    static Rig Rig(GuestWorkload workload, GuestContent content, long size, int processors = 2) =>
        new(TestGuests.Options(workload, size, processors, rate: 0) with { Content = content, ContentSize = 0 })
        {
            Parameters = new() { Verify = true, MaxDowntime = TimeSpan.FromMilliseconds(20) },
        };

    /// <summary>Before each part vCPUs get to write, so that every pass has something to send; at some passes something is done.</summary>
    static Action<MigrationPhase> At(
        Rig rig, int passes, Action<Source.OutgoingMigration> action, int passesToEnd = 0, Action<Source.OutgoingMigration>? end = null)
    {
        var (isDone, isEnded) = (false, false);
        return phase =>
        {
            if (phase != MigrationPhase.Iterate) return;
            TestGuests.WaitForTick(rig.Guest, rig.Guest.Ticks.Max() + 200);
            var pass = rig.Outgoing!.GetState().Current.Iteration;
            if (pass >= passes && !isDone) action(rig.Outgoing!);
            isDone |= pass >= passes;
            if (end is not null && pass >= passesToEnd && !isEnded) end(rig.Outgoing!);
            isEnded |= end is not null && pass >= passesToEnd;
        };
    }
}
