using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine;

/// <summary>Measures the dirty curve of a guest: a short interval, a longer one, and the longest, one after the other. Used by one thread.</summary>
public sealed class CurveMeasurement : IDisposable
{
    static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(50);

    readonly Guest _guest;
    readonly List<DirtyCurvePoint> _points = [];
    readonly Queue<TimeSpan> _left;
    DirtyRateMeasurement? _running;

    /// <summary>Begins. Throws what <see cref="Guest.MeasureDirtyRate"/> throws.</summary>
    public CurveMeasurement(Guest guest, TimeSpan duration)
    {
        _guest = guest;
        Duration = duration;
        // Before 8.2 a QEMU knows whole seconds only.
        _left = new(guest.Kind == GuestKind.InMemory ? new[] { duration / 16, duration / 4, duration }.Where(length => length >= Shortest || length == duration) : [duration]);
        Begin();
    }

    /// <summary>The longest interval.</summary>
    public TimeSpan Duration { get; }

    /// <summary>The curve, or null if it is not known after waiting for so long. Throws why there will be none.</summary>
    public DirtyCurve? TryFinish(TimeSpan wait)
    {
        if (_running?.TryFinish(wait) is not { } rate) return null;
        _running.Dispose();
        var bytes = rate.DirtyRate * rate.Duration.TotalSeconds;
        _points.Add(new DirtyCurvePoint(rate.Duration, bytes, bytes, bytes, 1));
        if (_left.Count > 0)
        {
            Begin();
            return null;
        }
        _running = null;
        return new DirtyCurve { Points = [.. _points], TotalBytes = _guest.MemorySize, UsedBytes = _guest.MemorySize };
    }

    /// <summary>Gives it up.</summary>
    public void Dispose()
    {
        _running?.Dispose();
        _running = null;
    }

    void Begin() => _running = _guest.MeasureDirtyRate(new DirtyRateOptions { Duration = _left.Dequeue() });
}
