using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Convergence;

public sealed class DirtyCurveReadingTests
{
    const long Total = 1L << 30;

    [Fact]
    public void A_concave_curve_is_read_through_its_points()
    {
        var curve = Curve(t => 1e8 * (1 - Math.Exp(-t)), 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2);
        var reading = new DirtyCurveReading(curve);
        foreach (var point in curve.Points) Assert.Equal(point.Bytes, reading.Bytes(point.Interval), 1e-3);
        Assert.Equal(0, reading.Bytes(TimeSpan.Zero));
        Assert.Equal(0, reading.Bytes(TimeSpan.FromSeconds(-1)));
    }

    [Theory]
    [InlineData(0.2)]
    [InlineData(1)]
    [InlineData(5)]
    public void Between_its_points_and_far_beyond_an_exponential_is_met(double rate)
    {
        double Law(double t) => 4e8 * (1 - Math.Exp(-rate * t));
        var reading = new DirtyCurveReading(Curve(Law, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2));
        for (var t = 0.01; t < 3.2; t *= 1.07) Within(Law(t), reading.Bytes(Seconds(t)), 0.015);
        for (var t = 3.2; t < 1000; t *= 1.3) Within(Law(t), reading.Bytes(Seconds(t)), 0.03);
        if (rate >= 0.3) Within(4e8, reading.WorkingSet!.Value, 0.01);
        else Assert.Null(reading.WorkingSet);
    }

    [Fact]
    public void Hot_pages_that_were_met_are_no_limit_to_the_cold_ones()
    {
        // Eighteen octaves of pages, each written as often as the next: most of the cold ones come long after the measurement.
        double Law(double t) => Enumerable.Range(0, 18).Sum(octave => Math.Pow(2, octave) * (1 - Math.Exp(-2000 * t / Math.Pow(2, octave)))) * 4096;
        var reading = new DirtyCurveReading(Curve(Law, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2));
        Within(Law(6.4), reading.Bytes(Seconds(6.4)), 0.03);
        Within(Law(25.6), reading.Bytes(Seconds(25.6)), 0.15);
        Assert.Null(reading.WorkingSet);
    }

    [Fact]
    public void A_straight_rise_goes_on_to_the_end_of_memory()
    {
        var reading = new DirtyCurveReading(Curve(t => 1e8 * t, 0.025, 0.05, 0.1, 0.2));
        Within(5e8, reading.Bytes(Seconds(5)), 1e-9);
        Within(1.05e9, reading.Bytes(Seconds(10.5)), 1e-9);
        Assert.Equal(Total, reading.Bytes(Seconds(10.8)));
        Assert.Equal(Total, reading.Bytes(TimeSpan.FromDays(10_000)));
        Assert.Null(reading.WorkingSet);
    }

    [Fact]
    public void A_working_set_that_was_seen_whole_is_the_end()
    {
        var reading = new DirtyCurveReading(Curve(t => Math.Min(1e8 * t, 2e7), 0.025, 0.05, 0.1, 0.2, 0.4, 0.8));
        Assert.Equal(2e7, reading.WorkingSet);
        Assert.Equal(2e7, reading.Bytes(Seconds(0.5)));
        Assert.Equal(2e7, reading.Bytes(Seconds(500)));
        Within(7.5e6, reading.Bytes(Seconds(0.075)), 1e-9);
    }

    [Fact]
    public void One_point_is_a_straight_line_and_nothing_stays_nothing()
    {
        var one = new DirtyCurveReading(Curve(t => 1e6 * t, 1));
        Within(5e5, one.Bytes(Seconds(0.5)), 1e-9);
        Within(7e6, one.Bytes(Seconds(7)), 1e-9);
        Assert.Null(one.WorkingSet);
        var idle = new DirtyCurveReading(Curve(_ => 0, 0.5, 1));
        Assert.Equal((0.0, 0.0), (idle.Bytes(Seconds(100)), idle.WorkingSet));
        Assert.Equal(0, new DirtyCurveReading(new() { Points = [], TotalBytes = Total, UsedBytes = 0 }).Bytes(Seconds(1)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Whatever_was_measured_it_rises_less_and_less_and_no_point_lies_above(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 200; round++)
        {
            var points = Enumerable.Range(0, random.Next(1, 10)).Select(_ => Point(random.NextDouble() * 4, random.NextDouble() * Total * 1.2)).ToArray();
            var reading = new DirtyCurveReading(new() { Points = points, TotalBytes = Total, UsedBytes = Total });
            foreach (var point in points.Where(point => point.Interval > TimeSpan.Zero))
                Assert.True(reading.Bytes(point.Interval) >= Math.Min(point.Bytes, Total) - 1);
            const double Step = 0.01;
            var read = Enumerable.Range(0, 1200).Select(i => reading.Bytes(Seconds(i * Step))).ToArray();
            for (var i = 1; i < read.Length - 1; i++)
            {
                Assert.True(read[i] <= read[i + 1] + 1, $"It falls at {i * Step} s.");
                Assert.True(read[i + 1] - read[i] <= read[i] - read[i - 1] + 1000, $"It bends upwards at {i * Step} s, round {round}.");
            }
            Assert.InRange(reading.Bytes(TimeSpan.MaxValue), read[^1] - 1, Total);
        }
    }

    static DirtyCurve Curve(Func<double, double> law, params double[] seconds) => new()
    {
        Points = [.. seconds.Select(t => Point(t, law(t)))], TotalBytes = Total, UsedBytes = Total,
    };

    static DirtyCurvePoint Point(double seconds, double bytes) => new(Seconds(seconds), bytes, bytes, bytes, 1);

    static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);

    static void Within(double expected, double actual, double share) => Assert.InRange(actual, expected * (1 - share) - 1e-3, expected * (1 + share) + 1e-3);
}
