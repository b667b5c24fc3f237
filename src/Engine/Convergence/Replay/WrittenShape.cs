using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>
/// How distinct pages grow with the time that a guest spends writing: its dirty curve, as a table that can be asked both ways. Pages and
/// seconds. Pure.
/// </summary>
sealed class WrittenShape
{
    const double Shortest = 1e-4;
    const int PerDecade = 24;
    const int Decades = 10;

    const double Nearly = 0.99;

    // Of the weights of all regions, what an interval must have been seen in to count.
    const double LeastSeen = 0.01;

    readonly double[] _pages = new double[(PerDecade * Decades) + 1];

    /// <param name="seen">What was found: in how long, how many pages, and which share of all that the guest writes goes to where they lie.</param>
    /// <param name="trace">Whose.</param>
    public WrittenShape(IEnumerable<(double Seconds, double Pages, double Weight)> seen, MigrationTrace trace)
    {
        var curve = new CurveShape(new DirtyCurve
        {
            Points = [.. Points(seen)], TotalBytes = trace.TotalBytes, UsedBytes = Math.Max(trace.UsedBytes, MigrationTrace.PageSize),
        });
        for (var at = 0; at < _pages.Length; at++) _pages[at] = Math.Max(curve.Bytes(At(at)) / MigrationTrace.PageSize, at == 0 ? 0 : _pages[at - 1]);
    }

    /// <summary>The most that can be turned back into a time.</summary>
    public double Most => _pages[^1] * Nearly;

    /// <summary>Distinct pages within so long.</summary>
    public double Pages(double seconds)
    {
        if (!(seconds > 0)) return 0;
        if (seconds <= Shortest) return _pages[0] * seconds / Shortest;
        var place = Math.Log10(seconds / Shortest) * PerDecade;
        var at = (int)Math.Min(place, _pages.Length - 1);
        if (at >= _pages.Length - 1) return _pages[^1];
        return _pages[at] + ((_pages[at + 1] - _pages[at]) * (seconds - At(at)) / (At(at + 1) - At(at)));
    }

    /// <summary>In how long it writes so many. That it has written nearly all can be said, and not how long ago.</summary>
    public double Seconds(double pages)
    {
        pages = Math.Min(pages, Most);
        if (!(pages > 0)) return 0;
        if (pages <= _pages[0]) return Shortest * pages / _pages[0];
        var at = FirstWith(pages);
        return At(at - 1) + ((At(at) - At(at - 1)) * (pages - _pages[at - 1]) / (_pages[at] - _pages[at - 1]));
    }

    int FirstWith(double pages)
    {
        int low = 0, high = _pages.Length - 1;
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (_pages[middle] >= pages) high = middle;
            else low = middle + 1;
        }
        return low;
    }

    static double At(int index) => Shortest * Math.Pow(10, (double)index / PerDecade);

    /// <summary>
    /// Intervals of about the same length together. A longer one never has less than a shorter one: where chance had it so, both have
    /// their mean.
    /// </summary>
    static IEnumerable<DirtyCurvePoint> Points(IEnumerable<(double Seconds, double Pages, double Weight)> seen)
    {
        var blocks = new List<(double Seconds, double Pages, double Weight, int Count)>();
        foreach (var group in seen.Where(one => one.Seconds >= Shortest).GroupBy(one => (int)Math.Round(2 * Math.Log2(one.Seconds))).OrderBy(group => group.Key))
        {
            var weight = group.Sum(one => one.Weight);
            if (weight < LeastSeen) continue;
            var block = (Seconds: group.Sum(one => one.Seconds * one.Weight), Pages: group.Sum(one => one.Pages), Weight: weight, Count: group.Count());
            for (; blocks.Count > 0 && blocks[^1].Pages / blocks[^1].Weight > block.Pages / block.Weight; blocks.RemoveAt(blocks.Count - 1))
                block = (block.Seconds + blocks[^1].Seconds, block.Pages + blocks[^1].Pages, block.Weight + blocks[^1].Weight, block.Count + blocks[^1].Count);
            blocks.Add(block);
        }
        return blocks.Select(block => Point(TimeSpan.FromSeconds(block.Seconds / block.Weight), block.Pages / block.Weight * MigrationTrace.PageSize, block.Count));
    }

    static DirtyCurvePoint Point(TimeSpan interval, double bytes, int samples) => new(interval, bytes, bytes, bytes, samples);
}
