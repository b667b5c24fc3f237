using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Matrix;

/// <summary>
/// What others go by: one dirty rate and one bandwidth, so that each pass leaves dirty rate × its time, until that fits the downtime allowed. The
/// rate is that of the interval of about a second, which is what QEMU measures over; it counts distinct pages.
/// </summary>
/// <param name="Total">Seconds; null where it does not end.</param>
/// <param name="Downtime">Seconds.</param>
readonly record struct ConstantRateModel(double? Total, double? Downtime)
{
    const int MostPasses = 10_000;

    public static ConstantRateModel Of(DirtyCurve curve, double link, MigrationParameters parameters)
    {
        var point = curve.Points.MinBy(point => Math.Abs(point.Interval.TotalSeconds - 1))!;
        var rate = point.Bytes / point.Interval.TotalSeconds;
        var bandwidth = parameters.MaxBandwidth > 0 ? Math.Min(link, parameters.MaxBandwidth) : link;
        // It knows as much of zeros as the forecast does.
        double left = curve.UsedBytes * (1 - (curve.ZeroShare ?? 0)), total = 0;
        for (var pass = 0; pass < MostPasses; pass++)
        {
            // In the first pass all of it goes, whatever fits.
            if (pass > 0 && left <= bandwidth * parameters.MaxDowntime.TotalSeconds) return new(total + (left / bandwidth), left / bandwidth);
            var time = left / bandwidth;
            total += time;
            var next = Math.Min(curve.TotalBytes, rate * time);
            if (pass > 0 && next >= left) break;
            left = next;
        }
        return default;
    }
}
