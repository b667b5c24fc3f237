using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>
/// What a measured curve says of any interval. It is read as the least concave curve through zero that no point lies above: noise would
/// else make a longer interval dirty less than a shorter one. Between two points it is a rational function that keeps rise and concavity
/// (after Delbourgo and Gregory's for convex data). Beyond the last point it is a guess, never more than the memory. Pure.
/// </summary>
sealed class DirtyCurveReading
{
    // Growth that no forecast needs to know of.
    const double LeastGrowth = 1e-4;

    // As many doublings of the longest interval: what has not ended by then does not matter.
    const int MostDoublings = 40;

    // What share of its end must have been seen for the curve to show where that is.
    const double LeastSeen = 0.5;

    // Points that lie on a straight line but for rounding all stay: what is straight is to be read as straight.
    const double Rounding = 1e-9;

    readonly List<Knot> _knots;
    readonly double _total;

    /// <summary>Reads a curve; points without a length are left out.</summary>
    public DirtyCurveReading(DirtyCurve curve)
    {
        _total = Math.Max(0, curve.TotalBytes);
        _knots = Hull(curve.Points.Where(point => point.Interval > TimeSpan.Zero).OrderBy(point => point.Interval)
            .Select(point => new Knot(point.Interval.TotalSeconds, Math.Clamp(point.Bytes, 0, _total), 0)));
        SetSlopes();
        var seen = _knots[^1].Bytes;
        var ends = Extrapolate();
        SetSlopes();
        WorkingSet = ends && seen >= _knots[^1].Bytes * LeastSeen ? _knots[^1].Bytes : null;
    }

    /// <summary>
    /// Where the curve ends, bytes: what the guest writes to if it goes on like that. Null while it still rises too steeply to say, or
    /// nothing was measured. As in capture and recapture, by how many of the second half's pages the first half had met: exact where all
    /// pages are written alike or in turn, and else not far below, as long as the curve is seen to bend.
    /// </summary>
    public double? WorkingSet { get; }

    /// <summary>Distinct bytes that are dirtied within an interval, 0 to TotalBytes.</summary>
    public double Bytes(TimeSpan interval) => interval <= TimeSpan.Zero ? 0 : At(interval.TotalSeconds);

    /// <summary>
    /// By how much the second half of the longest interval adds to the first, 0 to 1, and how fast that falls from one doubling to the next:
    /// to its power of 1 (never) to 2 (all pages are written alike).
    /// </summary>
    (double? Growth, double Power) Growth()
    {
        var end = _knots[^1];
        if (end.Seconds == 0) return (null, 1);
        if (end.Bytes == 0) return (0, 1);
        double half = At(end.Seconds / 2), quarter = At(end.Seconds / 4);
        var (before, growth) = ((half / quarter) - 1, Math.Clamp((end.Bytes / half) - 1, 0, 1));
        var falls = growth is > 0 and < 1 && before is > 0 and < 1 - 1e-9;
        return (growth, falls ? Math.Clamp(Math.Log(growth) / Math.Log(before), 1, 2) : 2);
    }

    /// <summary>Knots at twice the longest interval, four times, and so on. False where nothing was measured.</summary>
    bool Extrapolate()
    {
        if (Growth() is not ({ } growth, var power)) return false;
        var slope = SlopeBefore(_knots.Count - 1);
        for (var doublings = 0; doublings < MostDoublings && growth > LeastGrowth && slope > 0; doublings++)
        {
            var end = _knots[^1];
            growth = Math.Pow(growth, power);
            slope = Math.Min(slope, end.Bytes * growth / end.Seconds);
            var left = _total - end.Bytes;
            var isFull = slope * end.Seconds >= left;
            _knots.Add(isFull ? new(end.Seconds + (left / slope), _total, 0) : new(end.Seconds * 2, end.Bytes + (slope * end.Seconds), 0));
            if (isFull) break;
        }
        return true;
    }

    double At(double seconds)
    {
        var end = _knots[^1];
        if (seconds >= end.Seconds) return end.Bytes;
        var next = _knots.FindIndex(knot => knot.Seconds > seconds);
        var (from, to) = (_knots[next - 1], _knots[next]);
        var length = to.Seconds - from.Seconds;
        var share = (seconds - from.Seconds) / length;
        var chord = from.Bytes + ((to.Bytes - from.Bytes) * share);
        var slope = SlopeBefore(next);
        // How much steeper it is at the beginning than the straight line, and how much flatter at the end.
        double rise = (from.Slope - slope) * share, fall = (slope - to.Slope) * (1 - share);
        return rise > 0 && fall > 0 ? Math.Min(to.Bytes, chord + (length * rise * fall / (rise + fall))) : chord;
    }

    double SlopeBefore(int knot) => knot == 0 ? 0
        : (_knots[knot].Bytes - _knots[knot - 1].Bytes) / (_knots[knot].Seconds - _knots[knot - 1].Seconds);

    // Between the slopes on both sides, which keeps the curve concave; beyond the end it is level.
    void SetSlopes()
    {
        for (var i = 1; i < _knots.Count - 1; i++)
        {
            double before = _knots[i].Seconds - _knots[i - 1].Seconds, after = _knots[i + 1].Seconds - _knots[i].Seconds;
            var slope = ((SlopeBefore(i) * after) + (SlopeBefore(i + 1) * before)) / (before + after);
            _knots[i] = _knots[i] with { Slope = slope };
        }
        if (_knots.Count < 2) return;
        _knots[0] = _knots[0] with { Slope = _knots.Count == 2 ? SlopeBefore(1) : (2 * SlopeBefore(1)) - _knots[1].Slope };
        _knots[^1] = _knots[^1] with { Slope = Math.Min(_knots[^1].Slope, SlopeBefore(_knots.Count - 1)) };
    }

    /// <summary>Of points by time those that no straight line between two others passes above, from zero on, and never falling.</summary>
    static List<Knot> Hull(IEnumerable<Knot> points)
    {
        List<Knot> hull = [new(0, 0, 0)];
        var most = 0.0;
        foreach (var point in points)
        {
            most = Math.Max(most, point.Bytes);
            var next = point with { Bytes = most };
            if (next.Seconds == hull[^1].Seconds) hull.RemoveAt(hull.Count - 1);
            while (hull.Count > 1 && IsBelow(hull[^2], hull[^1], next)) hull.RemoveAt(hull.Count - 1);
            hull.Add(next);
        }
        return hull;
    }

    static bool IsBelow(Knot from, Knot middle, Knot to)
    {
        double line = (to.Bytes - from.Bytes) * (middle.Seconds - from.Seconds), point = (middle.Bytes - from.Bytes) * (to.Seconds - from.Seconds);
        return line - point > line * Rounding;
    }

    /// <summary>A point of the curve, and how steep it is there, bytes per second.</summary>
    readonly record struct Knot(double Seconds, double Bytes, double Slope);
}
