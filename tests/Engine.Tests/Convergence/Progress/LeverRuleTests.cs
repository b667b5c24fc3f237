using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>What would help a migration that runs, and what would come of it.</summary>
public sealed class LeverRuleTests
{
    const double MB = 1 << 20;

    // Dirties 60 MB/s, over a link that is held at 50 MB/s: it never ends.
    static LeverInput Stuck()
    {
        var curve = new PassCurve();
        curve.Expect(0.01, 0.6 * MB);
        curve.Expect(1, 60 * MB);
        curve.Expect(10, 600 * MB);
        return new(
            curve, new PassesInput(60 * MB, null, 0, 50 * MB, 15 * MB), TimeSpan.FromSeconds(7), (long)(300 * MB), TimeSpan.FromMilliseconds(300), (long)(50 * MB), 0, true);
    }

    static ForecastLever? Find(LeverInput input, ForecastLeverKind kind) => LeverRule.Find(input).SingleOrDefault(lever => lever.Kind == kind);

    [Fact]
    public void Before_anything_is_known_there_is_none() => Assert.Empty(LeverRule.Find(Stuck() with { Curve = new PassCurve() }));

    [Fact]
    public void A_limit_that_binds_can_be_raised_as_far_as_the_link_goes()
    {
        var lever = Find(Stuck(), ForecastLeverKind.MaxBandwidth)!;
        Assert.InRange(lever.Value / MB, 62, 80);
        Assert.Contains("if the link carries that", lever.Setting, StringComparison.Ordinal);
        Assert.True(lever.Remaining > TimeSpan.Zero && lever.TotalTime == TimeSpan.FromSeconds(7) + lever.Remaining);
        Assert.Null(Find(Stuck() with { MostBandwidth = 55 * MB }, ForecastLeverKind.MaxBandwidth));
        Assert.Null(Find(Stuck() with { MaxBandwidth = 0 }, ForecastLeverKind.MaxBandwidth));
        Assert.DoesNotContain("if the link", Find(Stuck() with { MostBandwidth = 500 * MB }, ForecastLeverKind.MaxBandwidth)!.Setting, StringComparison.Ordinal);
        // It carries more than that as it is.
        Assert.Equal(lever, Find(Stuck() with { MostBandwidth = 45 * MB }, ForecastLeverKind.MaxBandwidth));
    }

    [Fact]
    public void What_is_said_to_be_enough_is_and_a_fifth_less_is_not()
    {
        var input = Stuck();
        var lever = Find(input, ForecastLeverKind.MaxDowntime)!;
        var threshold = 50 * MB * lever.Value / 1000;
        Assert.NotNull(PassesToCome.Run(input.Curve, input.Passes with { Threshold = threshold }));
        Assert.True(lever.Value > 300);
        var throttle = Find(input, ForecastLeverKind.Throttle)!;
        Assert.NotNull(PassesToCome.Run(input.Curve, input.Passes with { Throttle = throttle.Value / 100 }));
        Assert.Null(PassesToCome.Run(input.Curve, input.Passes with { Throttle = (throttle.Value - 20) / 100 }));
    }

    [Fact]
    public void Going_over_is_told_only_where_it_can_be_done()
    {
        var lever = Find(Stuck(), ForecastLeverKind.Postcopy)!;
        Assert.Equal(1.2, lever.Remaining!.Value.TotalSeconds, 0.01);
        Assert.Null(Find(Stuck() with { CanGoOver = false }, ForecastLeverKind.Postcopy));
    }

    [Fact]
    public void Where_it_ends_anyway_only_a_limit_that_binds_is_worth_a_word()
    {
        var calm = Stuck() with { Passes = new PassesInput(60 * MB, null, 0, 500 * MB, 15 * MB) };
        Assert.Equal([ForecastLeverKind.MaxBandwidth], LeverRule.Find(calm).Select(lever => lever.Kind));
        Assert.Empty(LeverRule.Find(calm with { MaxBandwidth = 0 }));
    }

    [Fact]
    public void Each_against_what_it_is_for()
    {
        var levers = LeverRule.Find(Stuck());
        Assert.Equal(ForecastLeverKind.MaxBandwidth, LeverRule.For(MigrationBottleneck.BandwidthCapped, levers)!.Kind);
        Assert.Equal(ForecastLeverKind.MaxDowntime, LeverRule.For(MigrationBottleneck.DowntimeBudgetTooSmall, levers)!.Kind);
        Assert.Null(LeverRule.For(MigrationBottleneck.None, levers));
        Assert.Null(LeverRule.For(MigrationBottleneck.BandwidthCapped, []));
    }
}
