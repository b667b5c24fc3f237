using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>
/// Where a dirty curve ends: the writable working set. As in capture and recapture, by how many of the second half's pages the first half had
/// met, and how fast that falls: exact where all pages are written alike or in turn. Where some are written far more seldom than others
/// they show late, and it is too low. Pure.
/// </summary>
static class WorkingSetEstimate
{
    // What the second half of the time may add to the first for the curve to have flattened.
    const double MostGrowth = 0.7;

    // What share of its end must have been seen.
    const double LeastSeen = 0.5;

    // As good as for ever.
    const double Doublings = 1L << 40;

    /// <summary>Bytes; null while the curve still rises too steeply to say, or nothing was measured.</summary>
    public static long? Of(DirtyCurve curve)
    {
        var shape = new CurveShape(curve);
        var longest = curve.Points.Select(point => point.Interval.TotalSeconds).DefaultIfEmpty(0).Max();
        if (longest <= 0) return null;
        double seen = shape.Bytes(longest), end = shape.Bytes(longest * Doublings);
        var isFlat = seen <= shape.Bytes(longest / 2) * (1 + MostGrowth);
        return isFlat && seen >= end * LeastSeen ? (long)Math.Round(end) : null;
    }
}
