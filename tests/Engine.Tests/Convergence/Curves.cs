using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>Dirty curves of guests whose behaviour is known, as a measurement without noise would find them. Sizes in MiB, rates in MiB/s.</summary>
static class Curves
{
    const double Mebibyte = 1 << 20;
    static readonly double[] Intervals = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5];

    public static DirtyCurve Idle(double memory) => From(_ => 0, memory);

    /// <summary>Any page of the working set, all alike.</summary>
    public static DirtyCurve Random(double memory, double set, double rate) => From(time => set * (1 - Math.Exp(-rate * time / set)), memory);

    /// <summary>One page after the other.</summary>
    public static DirtyCurve Walking(double memory, double set, double rate) => From(time => Math.Min(set, rate * time), memory);

    /// <summary>Every doubling of the interval adds as much.</summary>
    public static DirtyCurve Growing(double memory, double unit) => From(time => unit * Math.Log2(1 + (time * 40)), memory);

    public static DirtyCurve From(Func<double, double> mebibytes, double memory, double spread = 0, double longest = 5) => new()
    {
        TotalBytes = (long)(memory * Mebibyte), UsedBytes = (long)(memory * Mebibyte),
        Points = [.. Intervals.Where(time => time <= longest).Select(time => Point(time, mebibytes(time) * Mebibyte, spread, (int)Math.Max(1, longest / time)))],
    };

    static DirtyCurvePoint Point(double seconds, double bytes, double spread, int samples) =>
        new(TimeSpan.FromSeconds(seconds), bytes, bytes * (1 - spread), bytes * (1 + spread), samples);
}
