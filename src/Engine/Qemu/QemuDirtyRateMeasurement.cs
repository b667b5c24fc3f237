using System.Diagnostics;
using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Qemu;

/// <summary>
/// The dirty curve of a QEMU's guest. QEMU measures one interval at a time and looks at the guest at its beginning and its end only, so
/// they are measured one after another, each at another time of the guest's.
/// </summary>
sealed class QemuDirtyRateMeasurement(
    QemuGuest guest, TimeSpan duration, TimeSpan[] intervals, QemuDirtyRateInterval first, Func<TimeSpan, QemuDirtyRateInterval> next)
    : DirtyRateMeasurement(guest, duration)
{
    readonly List<GuestDirtyRate> _measured = [];
    QemuDirtyRateInterval _running = first;

    /// <summary>
    /// What is measured in so much time: each interval twice as long as the one before, and the last one as long as is left, half again as
    /// long or longer.
    /// </summary>
    /// <param name="duration">Of all of them.</param>
    /// <param name="shortest">What the QEMU can measure.</param>
    public static TimeSpan[] Split(TimeSpan duration, TimeSpan shortest)
    {
        List<TimeSpan> intervals = [];
        for (var next = shortest; duration >= 2.5 * next; next *= 2)
        {
            intervals.Add(next);
            duration -= next;
        }
        return [.. intervals, duration];
    }

    /// <inheritdoc/>
    public override GuestDirtyRate? TryFinish(TimeSpan wait)
    {
        for (var clock = Stopwatch.StartNew(); ; _running = next(intervals[_measured.Count]))
        {
            var left = wait - clock.Elapsed;
            if (_running.TryFinish(left < TimeSpan.Zero ? TimeSpan.Zero : left) is not { } rate) return null;
            _measured.Add(rate);
            if (_measured.Count == intervals.Length) return Result(rate);
        }
    }

    GuestDirtyRate Result(GuestDirtyRate longest)
    {
        var zeros = QemuZeroSample.Of(guest.Qmp, guest.MachineType, guest.MemorySize);
        var curve = new DirtyCurve
        {
            Points = [.. _measured.Select(PointOf).OrderBy(point => point.Interval)],
            TotalBytes = guest.MemorySize, UsedBytes = guest.MemorySize, ZeroShare = zeros?.Share, ZeroPlaces = zeros?.Places,
        };
        return longest with
        {
            Curve = curve, WrittenBytes = (long)PointOf(longest).Bytes, WorkingSet = WorkingSetEstimate.Of(curve),
        };
    }

    DirtyCurvePoint PointOf(GuestDirtyRate rate)
    {
        var bytes = Math.Min(guest.MemorySize, rate.DirtyRate * rate.Duration.TotalSeconds);
        return new(rate.Duration, bytes, bytes, bytes, 1);
    }
}
