using PsMigrate.Engine.Convergence;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>What passes leave by their length, and the passes that come of it.</summary>
public sealed class PassCurveTests
{
    const double MB = 1 << 20;

    [Fact]
    public void A_copy_stays_as_it_is()
    {
        var curve = new PassCurve { WriteRate = 1e8 };
        curve.Expect(1, 50e6);
        var copy = curve.Copy();
        curve.Add(1, 10e6);
        curve.Add(10, 20e6);
        curve.WriteRate = 1e6;
        Assert.Equal((50e6, 1e6), (copy.Left(1), curve.Left(1)));
    }

    [Fact]
    public void Nothing_known_leaves_nothing()
    {
        var curve = new PassCurve();
        Assert.True(curve.IsEmpty);
        Assert.Equal(0, curve.Left(10));
        Assert.Equal(0, Curve((1, 8 * MB)).Left(0));
    }

    [Fact]
    public void Between_two_points_it_is_a_power_of_the_length()
    {
        var curve = Curve((1, 8 * MB), (4, 16 * MB));
        Assert.Equal(8 * MB, curve.Left(1), 1);
        Assert.Equal(16 * MB, curve.Left(4), 1);
        Assert.Equal(8 * Math.Sqrt(2) * MB, curve.Left(2), 1);
        Assert.Equal(16 * Math.Sqrt(2) * MB, curve.Left(8), 1);
        Assert.Equal(0.8 * MB, curve.Left(0.1), 1);
        curve.WriteRate = 3 * MB;
        Assert.Equal(3 * MB, curve.Left(1), 1);
        Assert.Equal(12 * MB, curve.Left(4), 1);
        Assert.Equal(16 * Math.Sqrt(2) * MB, curve.Left(8), 1);
    }

    [Fact]
    public void A_longer_pass_never_leaves_less()
    {
        foreach (var seed in Enumerable.Range(1, 200))
        {
            var random = new Random(seed);
            var curve = new PassCurve();
            for (var i = 0; i < 8; i++)
            {
                var (length, left) = (Math.Pow(10, (4 * random.NextDouble()) - 2), 100 * MB * random.NextDouble());
                if (random.Next(2) == 0) curve.Expect(length, left);
                else curve.Add(length, left);
            }
            var before = 0.0;
            for (var length = 0.001; length < 1000; length *= 1.1)
            {
                var left = curve.Left(length);
                Assert.True(double.IsFinite(left) && left >= before, $"{seed}: {left} after {before} at {length}");
                before = left;
            }
        }
    }

    [Fact]
    public void A_pass_corrects_what_was_expected_of_others()
    {
        var curve = new PassCurve();
        curve.Expect(10, 100 * MB);
        curve.Expect(1, 20 * MB);
        curve.Add(10, 200 * MB);
        Assert.Equal(200 * MB, curve.Left(10), 1);
        Assert.InRange(curve.Left(1), 30 * MB, 40 * MB);
        // What was seen is not given up for what is expected.
        curve.Expect(10, 1 * MB);
        Assert.Equal(200 * MB, curve.Left(10), 1);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(-1, 5)]
    [InlineData(double.NaN, 5)]
    [InlineData(1, double.NaN)]
    public void What_can_not_be_is_not_expected(double seconds, double left)
    {
        var curve = new PassCurve();
        curve.Expect(seconds, left);
        Assert.True(curve.IsEmpty);
    }

    [Fact]
    public void Passes_come_until_what_they_leave_fits()
    {
        // Straight, half as fast as the link: 100 → 50 → 25 → 12.5.
        var curve = Curve((0.01, 0.5 * MB), (1, 50 * MB));
        var end = PassesToCome.Run(curve, new PassesInput(100 * MB, null, 0, 100 * MB, 20 * MB))!.Value;
        Assert.Equal(1 + 0.5 + 0.25 + 0.125, end.Seconds, 0.02);
        Assert.Equal(187.5 * MB, end.Bytes, 2 * MB);
        Assert.Equal(12.5 * MB, end.Final, 1 * MB);
        Assert.True(PassesToCome.Run(curve, new PassesInput(100 * MB, null, 0, 100 * MB, 60 * MB))!.Value.Seconds < 1.6);
    }

    [Fact]
    public void What_does_not_get_less_never_ends_unless_the_guest_goes_over_or_is_slowed_down()
    {
        var curve = Curve((0.01, 1 * MB), (1, 100 * MB));
        var passes = new PassesInput(100 * MB, null, 0, 100 * MB, 20 * MB);
        Assert.Null(PassesToCome.Run(curve, passes));
        Assert.NotNull(PassesToCome.Run(curve, passes with { Throttle = 0.5 }));
        Assert.Equal(2, PassesToCome.Run(curve, passes with { GoesOverAfter = 1 })!.Value.Seconds, 0.01);
        Assert.NotNull(PassesToCome.Run(curve, passes with { Bandwidth = 200 * MB }));
        Assert.Null(PassesToCome.Run(curve, passes with { Bandwidth = 0 }));
    }

    [Theory]
    [InlineData(double.MaxValue, 1, 0)]
    [InlineData(1e300, 1e-300, 0)]
    [InlineData(1, 1e300, 0)]
    [InlineData(double.NaN, 1, 0)]
    public void It_ends_whatever_it_is_given(double pending, double bandwidth, double threshold) =>
        _ = PassesToCome.Run(Curve((1, 5 * MB)), new PassesInput(pending, null, 0, bandwidth, threshold));

    static PassCurve Curve(params (double Seconds, double Left)[] points)
    {
        var curve = new PassCurve();
        foreach (var (seconds, left) in points) curve.Expect(seconds, left);
        return curve;
    }
}
