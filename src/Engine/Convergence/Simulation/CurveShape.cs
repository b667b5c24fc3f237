using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>
/// A dirty curve as a function: between its points it follows a power of the interval, which is what a concave curve looks like from near;
/// beyond the last one it goes on bending as it did among the last three. Pure.
/// </summary>
sealed class CurveShape
{
    // Fewer intervals say nothing of how much they differ.
    const int FewestSamples = 3;

    // A doubling that adds so much more is as good as straight.
    const double Straight = 0.999;

    const double NotOnlyWritten = 1.05;

    readonly double[] _seconds;
    readonly double[] _bytes;
    readonly double _most;

    public CurveShape(DirtyCurve curve, CurveBound bound = CurveBound.Mean)
    {
        var points = curve.Points.Where(point => point.Interval > TimeSpan.Zero).OrderBy(point => point.Interval).ToArray();
        _seconds = [.. points.Select(point => point.Interval.TotalSeconds)];
        _bytes = [.. points.Select((point, i) => Math.Clamp(point.Bytes * Factor(points, i, bound), 0, curve.TotalBytes))];
        // Noise must not make a longer interval dirty less.
        for (var i = 1; i < _bytes.Length; i++) _bytes[i] = Math.Max(_bytes[i], _bytes[i - 1]);
        // Where hardly more is in use than was written, what is written next comes into use.
        var written = _bytes.LastOrDefault();
        _most = curve.UsedBytes > NotOnlyWritten * written ? Math.Min(curve.UsedBytes, curve.TotalBytes) : curve.TotalBytes;
        _most = Math.Max(_most, written);
    }

    /// <summary>Distinct bytes dirtied within so many seconds.</summary>
    public double Bytes(double seconds)
    {
        if (!(seconds > 0) || _seconds.Length == 0) return 0;
        if (seconds <= _seconds[0]) return _bytes[0] * seconds / _seconds[0];
        if (seconds > _seconds[^1]) return Beyond(seconds);
        var next = Array.BinarySearch(_seconds, seconds);
        return next >= 0 ? _bytes[next] : Between(~next, seconds);
    }

    double Between(int next, double seconds)
    {
        var (before, after) = (_bytes[next - 1], _bytes[next]);
        var share = (seconds - _seconds[next - 1]) / (_seconds[next] - _seconds[next - 1]);
        if (before <= 0) return after * share;
        var exponent = Math.Log(after / before) / Math.Log(_seconds[next] / _seconds[next - 1]);
        return before * Math.Pow(seconds / _seconds[next - 1], exponent);
    }

    /// <summary>
    /// Doubling by doubling. Each adds less than the one before: for pages that are written alike its share is squared each time, for a guest
    /// whose set only grows slowly it stays; how it went before tells which.
    /// </summary>
    double Beyond(double seconds)
    {
        var last = _seconds[^1];
        var (half, whole) = (Bytes(last / 2), _bytes[^1]);
        if (whole <= 0) return 0;
        var quarter = Bytes(last / 4);
        var added = Added(half, whole);
        var bend = Bend(Added(quarter, half), added);
        for (var at = last; at < seconds; at *= 2)
        {
            added = Math.Pow(added, bend);
            var twice = Math.Min(whole * (1 + added), _most);
            if (2 * at >= seconds) return Math.Min(_most, whole + ((twice - whole) * (seconds - at) / at));
            if (twice - whole < 1) return twice;
            whole = twice;
        }
        return whole;
    }

    static double Added(double before, double after) => before <= 0 ? 1 : Math.Clamp((after - before) / before, 0, 1);

    static double Bend(double before, double after)
    {
        if (after <= 0 || before is <= 0 or >= Straight || after >= Straight) return 2;
        return Math.Clamp(Math.Log(after) / Math.Log(before), 1, 2);
    }

    /// <summary>The bound relative to the mean; an interval that was seen once or twice varies as a shorter one does, less for its length.</summary>
    static double Factor(DirtyCurvePoint[] points, int index, CurveBound bound)
    {
        if (bound == CurveBound.Mean) return 1;
        var known = Array.FindLastIndex(points, index, point => point.Samples >= FewestSamples && point.Bytes > 0);
        if (known < 0) return 1;
        var point = points[known];
        var factor = (bound == CurveBound.Least ? point.LeastBytes : point.MostBytes) / point.Bytes;
        var shrink = Math.Sqrt(point.Interval / points[index].Interval);
        return Math.Max(0, 1 + ((factor - 1) * shrink));
    }
}
