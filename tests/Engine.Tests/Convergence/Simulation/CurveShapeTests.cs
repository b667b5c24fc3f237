using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>A curve of a few points, read at any interval.</summary>
public sealed class CurveShapeTests
{
    const double Mebibyte = 1 << 20;

    [Fact]
    public void It_goes_through_its_points()
    {
        var curve = Curves.Random(256, 64, 100);
        var shape = new CurveShape(curve);
        foreach (var point in curve.Points) Assert.Equal(point.Bytes, shape.Bytes(point.Interval.TotalSeconds), 1.0);
        Assert.Equal(0, shape.Bytes(0));
        Assert.Equal(0, shape.Bytes(-1));
    }

    [Theory]
    [InlineData(0.01)]
    [InlineData(0.07)]
    [InlineData(0.7)]
    [InlineData(3)]
    public void Between_them_it_is_close_to_what_the_guest_does(double seconds)
    {
        var shape = new CurveShape(Curves.Random(256, 64, 50));
        var exact = 64 * Mebibyte * (1 - Math.Exp(-50 * seconds / 64));
        Assert.InRange(shape.Bytes(seconds), exact * 0.95, exact * 1.05);
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(1, 10)]
    [InlineData(0.5, 4)]
    public void Beyond_them_pages_that_are_written_alike_fill_the_working_set(double longest, double seconds)
    {
        var shape = new CurveShape(Curves.From(time => 64 * (1 - Math.Exp(-50 * time / 64)), 256, longest: longest));
        var exact = 64 * Mebibyte * (1 - Math.Exp(-50 * seconds / 64));
        Assert.InRange(shape.Bytes(seconds), exact * 0.85, exact * 1.15);
    }

    [Fact]
    public void Beyond_them_a_straight_curve_goes_on_to_the_end_of_the_memory()
    {
        var shape = new CurveShape(Curves.From(time => 10 * time, 256, longest: 1));
        Assert.InRange(shape.Bytes(4) / Mebibyte, 39, 41);
        Assert.Equal(256 * Mebibyte, shape.Bytes(1000), 1.0);
    }

    [Fact]
    public void Beyond_them_a_set_that_grows_slowly_goes_on_growing()
    {
        var shape = new CurveShape(Curves.Growing(1024, 4));
        Assert.InRange(shape.Bytes(40) / Mebibyte, 4 * Math.Log2(1601) * 0.85, 4 * Math.Log2(1601) * 1.15);
    }

    [Fact]
    public void It_never_falls_and_never_exceeds_the_memory()
    {
        var random = new Random(7);
        for (var round = 0; round < 200; round++)
        {
            var points = Enumerable.Range(0, random.Next(0, 6))
                .Select(i => new DirtyCurvePoint(TimeSpan.FromMilliseconds(25 << i), random.NextDouble() * 64 * Mebibyte, 0, 64 * Mebibyte, random.Next(1, 9)));
            var curve = new DirtyCurve { Points = [.. points], TotalBytes = 32 << 20, UsedBytes = random.Next(0, 64 << 20) };
            foreach (var bound in Enum.GetValues<CurveBound>())
            {
                var shape = new CurveShape(curve, bound);
                var before = 0.0;
                for (var seconds = 0.001; seconds < 1000; seconds *= 1.3)
                {
                    var bytes = shape.Bytes(seconds);
                    Assert.InRange(bytes, before - 1, 32 * Mebibyte);
                    before = bytes;
                }
            }
        }
    }

    [Fact]
    public void An_interval_that_was_seen_once_varies_as_a_shorter_one_but_less()
    {
        var curve = Curves.From(time => 10 * time, 256, spread: 0.4, longest: 1) with { };
        var points = curve.Points;
        points[^1] = points[^1] with { LeastBytes = points[^1].Bytes, MostBytes = points[^1].Bytes, Samples = 1 };
        var most = new CurveShape(curve, CurveBound.Most).Bytes(1) / points[^1].Bytes;
        // The interval of 0.5 s was seen twice, that of 0.25 s four times.
        Assert.Equal(1 + (0.4 * Math.Sqrt(0.25)), most, 1e-3);
        Assert.Equal(1.4, new CurveShape(curve, CurveBound.Most).Bytes(0.1) / points[2].Bytes, 1e-3);
    }
}
