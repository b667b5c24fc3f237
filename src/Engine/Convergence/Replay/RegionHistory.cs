using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>
/// How busy a guest was with one region of its memory at each time of a trace. What was found there in an interval is taken as the work of
/// so many seconds of its usual writing, spread evenly over the interval; work adds up, pages do not. So asked for the same interval it
/// gives what was found, and for others what the guest's curve makes of the same work. Pure.
/// </summary>
sealed class RegionHistory
{
    // What is found varies by chance, by about the root of it: within so many times that the usual is as good.
    const double Chance = 1.5;

    readonly WrittenShape _shape;
    readonly double _weight;
    readonly double _pages;
    readonly double[] _times;
    readonly double[] _work;

    /// <param name="shape">How work becomes pages.</param>
    /// <param name="weight">Which share of all that the guest writes goes here.</param>
    /// <param name="pages">How many there are.</param>
    /// <param name="found">One interval after the other: how long, in the guest's own time, and how many pages.</param>
    public RegionHistory(WrittenShape shape, double weight, double pages, IReadOnlyList<(double Seconds, double Pages)> found)
    {
        (_shape, _weight, _pages) = (shape, weight, pages);
        (_times, _work) = (new double[found.Count + 1], new double[found.Count + 1]);
        for (var i = 0; i < found.Count; i++)
        {
            _times[i + 1] = _times[i] + found[i].Seconds;
            _work[i + 1] = _work[i] + Work(found[i].Seconds, found[i].Pages);
        }
    }

    /// <summary>Distinct pages written from one time to another; the trace begins anew where it ends.</summary>
    public double Written(double from, double to) => to <= from || _weight <= 0 ? 0 : Math.Min(_pages, _weight * _shape.Pages(WorkAt(to) - WorkAt(from)));

    double Work(double seconds, double pages)
    {
        if (seconds <= 0 || _weight <= 0) return 0;
        var chance = Chance * Math.Sqrt((pages * Math.Max(0, 1 - (pages / _pages))) + 1);
        var least = _shape.Seconds((pages - chance) / _weight);
        var most = pages + chance >= _pages ? double.PositiveInfinity : _shape.Seconds((pages + chance) / _weight);
        return Math.Max(least, Math.Min(seconds, most));
    }

    double WorkAt(double time)
    {
        var whole = _times[^1];
        if (whole <= 0) return 0;
        var rounds = Math.Floor(time / whole);
        var rest = time - (rounds * whole);
        var at = Array.BinarySearch(_times, rest);
        if (at < 0) at = ~at;
        if (at == 0) return rounds * _work[^1];
        at = Math.Min(at, _times.Length - 1);
        var length = _times[at] - _times[at - 1];
        var share = length <= 0 ? 1 : Math.Clamp((rest - _times[at - 1]) / length, 0, 1);
        return (rounds * _work[^1]) + _work[at - 1] + ((_work[at] - _work[at - 1]) * share);
    }
}
