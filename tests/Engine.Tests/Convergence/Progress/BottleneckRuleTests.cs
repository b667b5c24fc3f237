using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>Why a migration is not done yet: one word, and the lever that would help.</summary>
public sealed class BottleneckRuleTests
{
    const double MB = 1 << 20;

    // Second pass of a guest that writes at half of what an unlimited link carries; what is left fits.
    static readonly BottleneckInput Calm = new(
        MigrationStatus.Active, 2, 100 * MB, 0, 50 * MB, 1000, 2000, TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(300), false);

    static MigrationBottleneck Word(BottleneckInput input) => BottleneckRule.Explain(input).Bottleneck;

    [Fact]
    public void Nothing_holds_up_what_goes_well_or_has_ended()
    {
        Assert.Equal(MigrationBottleneck.None, Word(Calm));
        foreach (var status in new[] { MigrationStatus.None, MigrationStatus.Completed, MigrationStatus.Failed, MigrationStatus.Cancelled })
            Assert.Equal((MigrationBottleneck.None, ""), BottleneckRule.Explain(Calm with { Status = status, DirtyRate = 900 * MB }));
    }

    [Fact]
    public void Before_there_is_a_figure_it_is_starting()
    {
        Assert.Equal(MigrationBottleneck.Starting, Word(Calm with { Status = MigrationStatus.Setup }));
        Assert.Equal(MigrationBottleneck.Starting, Word(Calm with { Bandwidth = 0 }));
        Assert.Equal(MigrationBottleneck.Starting, Word(Calm with { Status = MigrationStatus.Cancelling }));
    }

    [Fact]
    public void In_postcopy_the_memory_follows_or_waits_for_the_link()
    {
        var active = Calm with { Status = MigrationStatus.PostcopyActive };
        Assert.Equal(MigrationBottleneck.MemoryFollows, Word(active));
        Assert.Equal(MigrationBottleneck.BandwidthCapped, Word(active with { MaxBandwidth = (long)(100 * MB) }));
        Assert.Contains("-MaxPostcopyBandwidth", BottleneckRule.Explain(active with { MaxBandwidth = (long)(100 * MB) }).Advice, StringComparison.Ordinal);
        var (word, advice) = BottleneckRule.Explain(active with { Status = MigrationStatus.PostcopyPaused });
        Assert.Equal(MigrationBottleneck.WaitingForRecovery, word);
        Assert.Contains("Resume-Migration", advice, StringComparison.Ordinal);
        foreach (var status in new[] { MigrationStatus.PostcopyRecoverSetup, MigrationStatus.PostcopyRecover })
            Assert.Equal(MigrationBottleneck.WaitingForDestination, Word(active with { Status = status }));
        Assert.Equal(MigrationBottleneck.SwitchingOver, Word(active with { Status = MigrationStatus.PostcopyDevice }));
    }

    [Fact]
    public void The_first_pass_is_what_it_is_unless_the_limit_binds()
    {
        Assert.Equal(MigrationBottleneck.FirstPass, Word(Calm with { Pass = 1, DirtyRate = null }));
        Assert.Equal(MigrationBottleneck.FirstPass, Word(Calm with { Pass = 1, DirtyRate = 900 * MB }));
        Assert.Equal(MigrationBottleneck.BandwidthCapped, Word(Calm with { Pass = 1, MaxBandwidth = (long)(100 * MB) }));
    }

    [Fact]
    public void A_guest_that_writes_faster_than_the_link_never_converges()
    {
        var (word, advice) = BottleneckRule.Explain(Calm with { DirtyRate = 100 * MB });
        Assert.Equal(MigrationBottleneck.DirtyRateExceedsBandwidth, word);
        Assert.Contains("100 MB/s", advice, StringComparison.Ordinal);
    }

    [Fact]
    public void A_limit_that_binds_is_named_before_the_link()
    {
        var (word, advice) = BottleneckRule.Explain(Calm with { DirtyRate = 200 * MB, MaxBandwidth = (long)(110 * MB) });
        Assert.Equal(MigrationBottleneck.BandwidthCapped, word);
        Assert.Contains("Set-Migration -MaxBandwidth", advice, StringComparison.Ordinal);
        // Nine tenths of the limit: it binds. Less: the link does.
        Assert.Equal(MigrationBottleneck.DirtyRateExceedsBandwidth, Word(Calm with { DirtyRate = 200 * MB, MaxBandwidth = (long)(120 * MB) }));
    }

    [Fact]
    public void A_downtime_that_is_too_short_is_named_with_both_figures()
    {
        var (word, advice) = BottleneckRule.Explain(Calm with { Pending = 9000, EstimatedDowntime = TimeSpan.FromMilliseconds(450) });
        Assert.Equal(MigrationBottleneck.DowntimeBudgetTooSmall, word);
        Assert.Contains("450 ms", advice, StringComparison.Ordinal);
        Assert.Contains("300 ms", advice, StringComparison.Ordinal);
        Assert.Equal(MigrationBottleneck.None, Word(Calm with { Pending = 9000, EstimatedDowntime = null }));
    }

    [Fact]
    public void At_the_switch_over_it_says_who_is_waited_for()
    {
        Assert.Equal(MigrationBottleneck.WaitingForSwitchover, Word(Calm with { Status = MigrationStatus.PreSwitchover }));
        Assert.Equal(MigrationBottleneck.SwitchingOver, Word(Calm with { Status = MigrationStatus.Device }));
        Assert.Equal(MigrationBottleneck.WaitingForDestination, Word(Calm with { Status = MigrationStatus.Device, WaitsForDestination = true }));
    }

    [Fact]
    public void A_destination_that_is_slow_is_named_before_what_follows_from_it()
    {
        var slow = Calm with { DirtyRate = 900 * MB, Load = new SenderLoad(0.2, 0.7, 0.9) };
        var (word, advice) = BottleneckRule.Explain(slow);
        Assert.Equal(MigrationBottleneck.ReceiverSlow, word);
        Assert.Contains("90 %", advice, StringComparison.Ordinal);
        Assert.Equal(MigrationBottleneck.ReceiverSlow, Word(slow with { Pass = 1, DirtyRate = null }));
        // Where it waits for the link, or nobody can tell for whom, it is the link.
        Assert.Equal(MigrationBottleneck.DirtyRateExceedsBandwidth, Word(slow with { Load = new SenderLoad(0.2, 0.7, 0.1) }));
        Assert.Equal(MigrationBottleneck.DirtyRateExceedsBandwidth, Word(slow with { Load = new SenderLoad(0.2, 0.7, null) }));
        Assert.Equal(MigrationBottleneck.DirtyRateExceedsBandwidth, Word(slow with { Load = new SenderLoad(0.2, 0.3, 0.9) }));
    }

    [Fact]
    public void A_source_that_always_works_is_named()
    {
        var busy = Calm with { Load = new SenderLoad(0.95, 0.02, 0) };
        var (word, advice) = BottleneckRule.Explain(busy);
        Assert.Equal(MigrationBottleneck.SourceCpuBound, word);
        Assert.Contains("95 %", advice, StringComparison.Ordinal);
        Assert.Equal(MigrationBottleneck.None, Word(busy with { Load = new SenderLoad(0.6, 0.02, 0) }));
        (word, advice) = BottleneckRule.Explain(Calm with { Load = new SenderLoad(0.95, 0.02, 0) { Channels = 4 } });
        Assert.Equal(MigrationBottleneck.SourceCpuBound, word);
        Assert.Contains("-Compression", advice, StringComparison.Ordinal);
    }

    [Fact]
    public void A_limit_that_binds_is_named_before_either_end()
    {
        var capped = Calm with { MaxBandwidth = (long)(100 * MB) };
        Assert.Equal(MigrationBottleneck.BandwidthCapped, Word(capped with { Load = new SenderLoad(0.1, 0.9, 1) }));
        Assert.Equal(MigrationBottleneck.BandwidthCapped, Word(capped with { Load = new SenderLoad(0.99, 0, 0) }));
    }

    [Fact]
    public void A_postcopy_that_was_paused_is_not_one_that_broke()
    {
        var (word, advice) = BottleneckRule.Explain(Calm with { Status = MigrationStatus.PostcopyPaused, IsPausedOnPurpose = true });
        Assert.Equal(MigrationBottleneck.Paused, word);
        Assert.Contains("Resume-Migration", advice, StringComparison.Ordinal);
    }

    [Fact]
    public void What_would_help_is_told_with_what_would_come_of_it()
    {
        ForecastLever bandwidth = new(ForecastLeverKind.MaxBandwidth, 300 * MB, "-MaxBandwidth 300MB", TimeSpan.FromSeconds(20), TimeSpan.FromMilliseconds(41), 5) { Remaining = TimeSpan.FromSeconds(12) };
        ForecastLever downtime = new(ForecastLeverKind.MaxDowntime, 450, "-MaxDowntime 450ms", TimeSpan.FromSeconds(20), TimeSpan.FromMilliseconds(440), 5) { Remaining = TimeSpan.FromSeconds(0.2) };
        var stuck = Calm with { Pending = 9000, EstimatedDowntime = TimeSpan.FromMilliseconds(450), Levers = [bandwidth, downtime] };
        Assert.EndsWith("-MaxDowntime 450ms: ends in 0.2 s, downtime 440 ms.", BottleneckRule.Explain(stuck).Advice, StringComparison.Ordinal);
        var capped = Calm with { DirtyRate = 200 * MB, MaxBandwidth = (long)(110 * MB), Levers = [bandwidth] };
        Assert.EndsWith("-MaxBandwidth 300MB: ends in 12 s, downtime 41 ms.", BottleneckRule.Explain(capped).Advice, StringComparison.Ordinal);
        Assert.Equal("", BottleneckRule.Explain(Calm with { Levers = [bandwidth] }).Advice);
    }
}
