using PsMigrate.Engine.Convergence;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>QEMU's rule: what is left must fit what the link carries within the downtime.</summary>
public sealed class SwitchoverRuleTests
{
    [Theory]
    [InlineData(100e6, 0L, 300, 30_000_000L)]
    [InlineData(100e6, 10_000_000L, 300, 3_000_000L)]
    [InlineData(0, 0L, 300, 0L)]
    [InlineData(0, 1000L, 1000, 1000L)]
    [InlineData(999, 0L, 1, 0L)]
    public void The_threshold_is_bandwidth_times_downtime(double bandwidth, long switchover, int milliseconds, long expected) =>
        Assert.Equal(expected, SwitchoverRule.Threshold(bandwidth, switchover, TimeSpan.FromMilliseconds(milliseconds)));

    [Theory]
    [InlineData(1e300, 0L)]
    [InlineData(double.PositiveInfinity, 0L)]
    [InlineData(1, long.MaxValue)]
    public void A_link_beyond_all_measure_does_not_overflow(double bandwidth, long switchover) =>
        Assert.InRange(SwitchoverRule.Threshold(bandwidth, switchover, TimeSpan.FromSeconds(2000)), 1L << 61, long.MaxValue);

    [Fact]
    public void What_fits_exactly_fits()
    {
        Assert.True(SwitchoverRule.MaySwitchOver(0, 0));
        Assert.True(SwitchoverRule.MaySwitchOver(4096, 4096));
        Assert.False(SwitchoverRule.MaySwitchOver(4097, 4096));
    }

    [Fact]
    public void There_is_no_estimate_without_a_bandwidth()
    {
        Assert.Null(SwitchoverRule.EstimatedDowntime(1000, 0, 0));
        Assert.Equal(TimeSpan.FromSeconds(2), SwitchoverRule.EstimatedDowntime(1000, 500, 0));
        Assert.Equal(TimeSpan.FromSeconds(10), SwitchoverRule.EstimatedDowntime(1000, 500, 100));
        Assert.Equal(TimeSpan.Zero, SwitchoverRule.EstimatedDowntime(0, 500, 0));
        Assert.True(SwitchoverRule.EstimatedDowntime(long.MaxValue, 1e-300, 0) > TimeSpan.FromDays(1000));
    }
}
