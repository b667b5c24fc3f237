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
        using var rig = Rig(workload, content);
        if (workload != GuestWorkload.Idle) rig.PhaseEntered = EachRound(rig, (outgoing, pass) => EndAt(outgoing, pass, 6));
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
        rig.Parameters = rig.Parameters with { Means = means, MaxBandwidth = 0 };
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
        return rig.Outgoing!.GetState();
    }

    [Fact]
    public void What_may_be_left_is_judged_by_pages_where_they_go_as_a_few_bytes()
    {
        // By bytes 32 pages may be left, and each look at the log finds 200 at least.
        using var rig = Rig(GuestWorkload.WalkingIncrement, GuestContent.Zero);
        rig.Parameters = rig.Parameters with { MaxBandwidth = 64 << 10, MaxDowntime = TimeSpan.FromSeconds(2) };
        rig.PhaseEntered = EachRound(rig, (_, _) => { });
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
        Assert.True(rig.Outgoing!.GetState().Current.Iteration > 2);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Dense_pages_that_go_again_and_again_come_to_go_as_differences_and_that_is_told()
    {
        using var rig = Rig(GuestWorkload.Sequential, GuestContent.Random);
        rig.PhaseEntered = EachRound(rig, (outgoing, pass) => EndAt(outgoing, pass, 8));
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
        var state = rig.Outgoing!.GetState();
        var begun = state.Decisions.First(one => one.What == "Differences");
        Assert.Equal(("off", "on"), (begun.From, begun.To));
        Assert.Contains("whole", begun.Reason, StringComparison.Ordinal);
        Assert.True(state.Current.Xbzrle!.Pages > state.Current.Xbzrle.Overflow, state.Current.Xbzrle.ToString());
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void With_the_means_of_qemu_nothing_is_chosen()
    {
        using var rig = Rig(GuestWorkload.Sequential, GuestContent.Random);
        rig.Parameters = rig.Parameters with { Means = MigrationMeans.Qemu };
        rig.PhaseEntered = EachRound(rig, (outgoing, pass) => EndAt(outgoing, pass, 8));
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
        var state = rig.Outgoing!.GetState();
        Assert.All(state.Decisions, one => Assert.Equal("Switch over", one.What));
        Assert.Null(state.Current.Xbzrle);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Differences_that_do_not_pay_are_given_up_and_looked_at_again()
    {
        // A cache of one page finds nothing of what comes in turn.
        using var rig = Rig(GuestWorkload.Sequential, GuestContent.Random);
        rig.Parameters = rig.Parameters with { Xbzrle = true, XbzrleCacheSize = 4096 };
        rig.PhaseEntered = EachRound(rig, (outgoing, pass) => EndAt(outgoing, pass, 14));
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
        var told = rig.Outgoing!.GetState().Decisions.Where(one => one.What == "Differences").ToArray();
        Assert.True(told.Length >= 2, string.Join('|', told.AsEnumerable()));
        Assert.Equal(("on", "off"), (told[0].From, told[0].To));
        Assert.Contains("do not pay", told[0].Reason, StringComparison.Ordinal);
        Assert.Equal(("off", "on"), (told[1].From, told[1].To));
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Asked_for_with_the_means_of_qemu_they_are_not_given_up()
    {
        using var rig = Rig(GuestWorkload.Sequential, GuestContent.Random);
        rig.Parameters = rig.Parameters with { Means = MigrationMeans.Qemu, Xbzrle = true, XbzrleCacheSize = 4096 };
        rig.PhaseEntered = EachRound(rig, (outgoing, pass) => EndAt(outgoing, pass, 8));
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
        Assert.DoesNotContain(rig.Outgoing!.GetState().Decisions, one => one.What == "Differences");
        rig.AssertRunsOnlyThere();
    }

    [Theory]
    [InlineData(0, 4)]
    [InlineData(2, 2)]
    [InlineData(1024, 4)]
    public void The_cache_takes_another_size_while_it_runs(long mebibytes, long expected)
    {
        using var rig = Rig(GuestWorkload.HotSpot, GuestContent.Random);
        rig.Parameters = rig.Parameters with { Xbzrle = true, XbzrleCacheSize = 1 * MiB };
        rig.PhaseEntered = EachRound(rig, (outgoing, pass) =>
        {
            if (pass == 3) outgoing.SetLimits(new MigrationLimits(XbzrleCacheSize: mebibytes * MiB));
            EndAt(outgoing, pass, 6);
        });
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
        var state = rig.Outgoing!.GetState();
        Assert.Equal(expected * MiB, state.Current.Xbzrle!.CacheSize);
        Assert.Equal(mebibytes * MiB, state.Parameters.XbzrleCacheSize);
        Assert.Equal(mebibytes is 0 or 1024, state.Decisions.Any(one => one.What == "XbzrleCacheSize"));
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void A_size_of_zero_leaves_the_cache_to_the_rule_whatever_was_asked_before()
    {
        using var rig = Rig(GuestWorkload.HotSpot, GuestContent.Random);
        rig.Parameters = rig.Parameters with { XbzrleCacheSize = 1 * MiB };
        rig.PhaseEntered = EachRound(rig, (outgoing, pass) =>
        {
            if (pass == 3) outgoing.SetLimits(new MigrationLimits(XbzrleCacheSize: 0));
            EndAt(outgoing, pass, 6);
        });
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
        Assert.Contains(rig.Outgoing!.GetState().Decisions, one => one is { What: "Differences", To: "on" });
        rig.AssertRunsOnlyThere();
    }

    [Theory]
    [InlineData(12288)]
    [InlineData(-4096)]
    public void A_size_of_cache_that_can_not_be_is_refused_and_changes_nothing(long size)
    {
        using var rig = Rig(GuestWorkload.HotSpot, GuestContent.Random);
        rig.Parameters = rig.Parameters with { PauseBeforeSwitchover = true, Xbzrle = true };
        rig.Start();
        Failing.With(MigrationErrorId.InvalidParameter, () => rig.Outgoing!.SetLimits(new MigrationLimits(XbzrleCacheSize: size)));
        Assert.Equal(0, rig.Outgoing!.GetState().Parameters.XbzrleCacheSize);
        rig.Outgoing.Complete();
        Assert.True(rig.Finish().Verified, rig.Finish().ToString());
    }

    /// <summary>A guest of 1024 pages, over a link that carries a quarter of what it may write.</summary>
    static Rig Rig(GuestWorkload workload, GuestContent content, long size = 4 * MiB, int processors = 2) =>
        new(TestGuests.Options(workload, size, processors, rate: 64 * MiB) with { Content = content, ContentSize = 0 })
        {
            Parameters = new() { Verify = true, MaxBandwidth = 16 * MiB, MaxDowntime = TimeSpan.FromMilliseconds(1) },
        };

    /// <summary>
    /// In every round vCPUs get to write right before the log may be read: each look at it finds more than fits the downtime, so that
    /// the migration ends when it is told to.
    /// </summary>
    static Action<MigrationPhase> EachRound(Rig rig, Action<Source.OutgoingMigration, int> act) => phase =>
    {
        if (phase != MigrationPhase.Pending) return;
        TestGuests.WaitForTick(rig.Guest, rig.Guest.Ticks.Max() + 200);
        act(rig.Outgoing!, rig.Outgoing!.GetState().Current.Iteration);
    };

    static void EndAt(Source.OutgoingMigration outgoing, int pass, int last)
    {
        if (pass >= last) outgoing.Complete();
    }
}
