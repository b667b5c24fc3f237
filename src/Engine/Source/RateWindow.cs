using System.Diagnostics;

namespace PsMigrate.Engine.Source;

/// <summary>
/// QEMU's window of 100 ms (BUFFER_DELAY): it measures the bandwidth, and holds the sender to its share of the limit.
/// Used by the sending thread alone; the figures may be read by any.
/// </summary>
sealed class RateWindow
{
    const int WindowsPerSecond = 10;
    static readonly long Length = Stopwatch.Frequency / WindowsPerSecond;

    // Shorter spans say nothing about a link.
    static readonly long ShortestMeasured = Stopwatch.Frequency / 1000;

    long _start;
    long _startBytes;
    long _startPages;

    /// <summary>Bytes/s of the last window; 0 before the first.</summary>
    public double Bandwidth { get; private set; }

    /// <summary>Pages/s of the last window.</summary>
    public double PagesPerSecond { get; private set; }

    /// <summary>Begins the first window.</summary>
    public void Begin(long bytes, long pages) => (_start, _startBytes, _startPages) = (Stopwatch.GetTimestamp(), bytes, pages);

    /// <summary>Ends the window if it is over (migration_update_counters), or at all events if there is no figure yet.</summary>
    public bool Update(long bytes, long pages, bool needsFigure = false)
    {
        var now = Stopwatch.GetTimestamp();
        var elapsed = now - _start;
        if (elapsed < Length && !(needsFigure && Bandwidth == 0 && elapsed >= ShortestMeasured)) return false;
        var seconds = (double)elapsed / Stopwatch.Frequency;
        // A window in which nothing was to be sent (a guest waiting for its next pass) says nothing about the link.
        if (bytes > _startBytes) Bandwidth = (bytes - _startBytes) / seconds;
        PagesPerSecond = (pages - _startPages) / seconds;
        (_start, _startBytes, _startPages) = (now, bytes, pages);
        return true;
    }

    /// <summary>
    /// Bytes that may still be sent in this window; <see cref="long.MaxValue"/> without a limit. The smallest limit still lets one
    /// record through: a migration that never sends would never end.
    /// </summary>
    public long Budget(long bytes, long limit) =>
        limit == 0 ? long.MaxValue : Math.Max(1, limit / WindowsPerSecond) - (bytes - _startBytes);

    /// <summary>Until the window ends.</summary>
    public TimeSpan Left
    {
        get
        {
            var left = _start + Length - Stopwatch.GetTimestamp();
            return left <= 0 ? TimeSpan.Zero : TimeSpan.FromSeconds((double)left / Stopwatch.Frequency);
        }
    }
}
