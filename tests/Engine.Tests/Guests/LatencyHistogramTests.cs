using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Tests.Guests;

/// <summary>Percentiles of a histogram against those of all that was counted.</summary>
public sealed class LatencyHistogramTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 7)]
    [InlineData(3, 1000)]
    [InlineData(4, 20_000)]
    public void A_percentile_is_at_most_a_sixteenth_too_long_and_never_too_short(int seed, int count)
    {
        var random = new Random(seed);
        var (histogram, plain) = (new LatencyHistogram(), new List<long>());
        for (var i = 0; i < count; i++)
        {
            // From nothing to an hour, every order of magnitude alike.
            var ticks = (long)Math.Exp(random.NextDouble() * Math.Log(TimeSpan.TicksPerHour)) - 1;
            histogram.Add(new TimeSpan(ticks));
            plain.Add(ticks);
        }
        plain.Sort();
        Assert.Equal(count, histogram.Count);
        Assert.Equal(plain[^1], histogram.Worst.Ticks);
        Assert.Equal(plain[^1], histogram.Permille(1000).Ticks);
        foreach (var permille in (int[])[1, 100, 500, 900, 990, 999])
        {
            var exact = plain[(int)(((long)count * permille) + 999) / 1000 - 1];
            Assert.InRange(histogram.Permille(permille).Ticks, exact, exact + (exact / 16));
        }
        var octaves = new long[64];
        foreach (var ticks in plain)
        {
            var octave = 0;
            while ((2L << octave) * TimeSpan.TicksPerMicrosecond <= ticks) octave++;
            octaves[octave]++;
        }
        Assert.Equal(octaves[..histogram.Octaves().Length], histogram.Octaves());
        Assert.Equal(count, histogram.Octaves().Sum());
        Assert.NotEqual(0, histogram.Octaves()[^1]);
    }

    [Fact]
    public void Of_nothing_it_says_nothing_and_the_longest_time_has_room()
    {
        var histogram = new LatencyHistogram();
        Assert.Equal((TimeSpan.Zero, TimeSpan.Zero), (histogram.Permille(500), histogram.Worst));
        Assert.Empty(histogram.Octaves());
        histogram.Add(TimeSpan.MaxValue);
        histogram.Add(TimeSpan.MinValue);
        Assert.Equal(TimeSpan.Zero, histogram.Permille(500));
        Assert.Equal(TimeSpan.MaxValue, histogram.Permille(990));
    }
}
