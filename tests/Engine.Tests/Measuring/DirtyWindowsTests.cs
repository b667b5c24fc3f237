using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Measuring;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Measuring;

/// <summary>Nested windows in virtual time, against a count of each length for itself.</summary>
public sealed class DirtyWindowsTests
{
    [Theory]
    [InlineData(50, 250_000, 2)]
    [InlineData(100, 250_000, 4)]
    [InlineData(1000, 312_500, 32)]
    [InlineData(3000, 234_375, 128)]
    [InlineData(3200, 250_000, 128)]
    [InlineData(60_000, 292_968, 2048)]
    public void A_measurement_is_halved_until_its_parts_last_about_25_milliseconds(int duration, long part, int parts)
    {
        var windows = new DirtyWindows([new DirtyBitmap(64)], TimeSpan.FromMilliseconds(duration));
        Assert.Equal((part, parts), (windows.Part.Ticks, windows.Parts));
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 5)]
    [InlineData(3, 30)]
    [InlineData(4, 90)]
    public void Each_length_is_counted_as_if_it_were_the_only_one(int seed, int latest)
    {
        var random = new Random(seed);
        DirtyBitmap[] logs = [new(1000), new(70)];
        var duration = TimeSpan.FromMilliseconds(800);
        var windows = new DirtyWindows(logs, duration);
        var plain = new PlainWindows(windows.Part, windows.Parts);
        var now = TimeSpan.Zero;
        while (now < duration)
        {
            now += windows.Part - TimeSpan.FromTicks(now.Ticks % windows.Part.Ticks) + TimeSpan.FromMilliseconds(random.NextDouble() * latest);
            for (var count = random.Next(200); count > 0; count--)
            {
                var block = random.Next(2);
                // Some pages more often than others.
                var page = (long)(logs[block].Pages * Math.Pow(random.NextDouble(), 3));
                logs[block].Mark(page);
                plain.Write(block, page);
            }
            windows.Take();
            plain.AssertOpen(windows, logs);
            plain.Read(now);
            if (now < duration) windows.Close(now);
        }
        var points = windows.End(now);
        var expected = plain.Points(now);
        Assert.Equal(expected, points);
        Assert.True(points.Length > 1 || latest > 0);
        Assert.Equal(plain.CountIn(0, 70, 900), windows.CountIn(0, 70, 900));
        Assert.Equal((plain.CountIn(0, 0, 1000) + plain.CountIn(1, 0, 70)) * 4096.0, points[^1].Bytes);
    }

    [Fact]
    public void It_does_not_end_before_its_time()
    {
        var windows = new DirtyWindows([new DirtyBitmap(64)], TimeSpan.FromMilliseconds(100));
        Assert.Throws<ArgumentOutOfRangeException>(() => windows.End(TimeSpan.FromMilliseconds(99)));
        Assert.Equal(100, Assert.Single(windows.End(TimeSpan.FromMilliseconds(100))).Interval.TotalMilliseconds);
    }

    /// <summary>Each length for itself: the set of what was written since its window began.</summary>
    sealed class PlainWindows(TimeSpan part, long parts)
    {
        readonly HashSet<(int, long)> _all = [];
        readonly List<(TimeSpan Time, HashSet<(int, long)> Pages)> _reads = [];
        HashSet<(int, long)> _since = [];

        public void Write(int block, long page) => _since.Add((block, page));

        public void Read(TimeSpan now)
        {
            _all.UnionWith(_since);
            _reads.Add((now, _since));
            _since = [];
        }

        public long CountIn(int block, long first, long pages) =>
            _all.Count(one => one.Item1 == block && one.Item2 >= first && one.Item2 < first + pages);

        /// <summary>What was written since half of the whole was over, if it is.</summary>
        public void AssertOpen(DirtyWindows windows, DirtyBitmap[] logs)
        {
            var half = _reads.FindIndex(read => read.Time >= part * (parts / 2));
            var open = _reads.Skip(half + 1).SelectMany(read => read.Pages).Concat(_since).ToHashSet();
            for (var block = 0; block < logs.Length; block++)
                for (long page = 0; page < logs[block].Pages; page++)
                    Assert.Equal(open.Contains((block, page)), windows.IsInOpenWindow(block, page));
        }

        public DirtyCurvePoint[] Points(TimeSpan end)
        {
            List<DirtyCurvePoint> points = [];
            for (long length = 1; length < parts; length *= 2)
                if (Point(length) is { } point) points.Add(point);
            return [.. points, new(end, _all.Count * 4096.0, _all.Count * 4096.0, _all.Count * 4096.0, 1)];
        }

        DirtyCurvePoint? Point(long length)
        {
            List<(TimeSpan Time, int Pages)> samples = [];
            HashSet<(int, long)> open = [];
            var (start, before) = (TimeSpan.Zero, 0L);
            foreach (var (now, pages) in _reads)
            {
                open.UnionWith(pages);
                var number = Math.Min(now.Ticks / part.Ticks, parts) / length;
                if (number == before) continue;
                var share = (now - start) / (part * length);
                if (share is >= 0.75 and <= 1.25) samples.Add((now - start, open.Count));
                (start, before, open) = (now, number, []);
            }
            if (samples.Count == 0) return null;
            return new(TimeSpan.FromTicks(samples.Sum(one => one.Time.Ticks)) / samples.Count, samples.Average(one => one.Pages) * 4096,
                samples.Min(one => one.Pages) * 4096.0, samples.Max(one => one.Pages) * 4096.0, samples.Count);
        }
    }
}
