using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Convergence;

public sealed class WorkingSetEstimateTests
{
    const long Total = 1L << 30;
    static readonly double[] Doubling = [0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2];

    [Theory]
    [InlineData(0.4)]
    [InlineData(1)]
    [InlineData(20)]
    public void Pages_that_are_written_alike_show_how_many_they_are(double rate)
    {
        var estimate = Of(t => 4e8 * (1 - Math.Exp(-rate * t)), Doubling);
        Assert.InRange(estimate!.Value, 4e8 * 0.99, 4e8 * 1.01);
    }

    [Fact]
    public void One_that_was_seen_whole_is_it() => Assert.Equal(20_000_000, Of(t => Math.Min(1e8 * t, 2e7), Doubling));

    [Fact]
    public void Where_nothing_is_written_it_is_nothing() => Assert.Equal(0, Of(_ => 0, Doubling));

    [Fact]
    public void A_straight_rise_says_nothing()
    {
        Assert.Null(Of(t => 1e8 * t, Doubling));
        // Not that it is all memory either, when most of that was written.
        Assert.Null(Of(t => 3e8 * t, Doubling));
        Assert.Null(Of(t => 1e8 * t, 1));
        Assert.Null(Of(t => 1e8 * t));
    }

    [Fact]
    public void Nor_does_a_bend_of_which_little_was_seen() => Assert.Null(Of(t => 4e9 * (1 - Math.Exp(-0.05 * t)), Doubling));

    [Fact]
    public void Cold_pages_that_have_not_shown_yet_are_not_left_out_for_certain() =>
        Assert.Null(Of(t => Enumerable.Range(0, 18).Sum(octave => Math.Pow(2, octave) * (1 - Math.Exp(-2000 * t / Math.Pow(2, octave)))) * 4096, Doubling));

    [Fact]
    public void Two_intervals_are_enough() =>
        Assert.InRange(Of(t => 1e8 * (1 - Math.Exp(-t)), 1, 2)!.Value, 1e8 * 0.99, 1e8 * 1.01);

    static long? Of(Func<double, double> law, params double[] seconds) => WorkingSetEstimate.Of(new()
    {
        Points = [.. seconds.Select(t => new DirtyCurvePoint(TimeSpan.FromSeconds(t), law(t), law(t), law(t), 1))], TotalBytes = Total, UsedBytes = Total,
    });
}
