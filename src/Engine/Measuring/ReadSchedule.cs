using System.Numerics;

namespace PsMigrate.Engine.Measuring;

/// <summary>
/// When the log is read next. A guest pays for its first write to each page after a reading, and one that writes flat out would pay most of
/// its time for forty readings a second. So readings are left out where they would cost more than the guest is to pay, but no window that
/// is as long as the pause before it: 1, 2, 4, 8 … parts is the least, and then each length is seen. Pure, without a clock.
/// </summary>
/// <param name="part">The shortest windows.</param>
/// <param name="processors">vCPUs, each of which pays for its own pages.</param>
/// <param name="pages">Of the guest: the reader looks at a bit of each.</param>
sealed class ReadSchedule(TimeSpan part, int processors, long pages)
{
    /// <summary>What share of its time the guest may pay, but for the fewest readings that there must be.</summary>
    public const double Budget = 0.02;

    // Setting a bit is atomic, and has the processor wait for the stores before it, each of which may have missed its caches.
    const double SecondsPerWrite = 80e-9;

    // A word of 64 bits is looked at once in the log, and twice in bitmaps. It takes the time of another processor: a fifth of it counts.
    const double SecondsPerPage = 1e-9 / 64 / 5;

    double _paid;

    /// <summary>The part at whose end the log is read next.</summary>
    /// <param name="over">How many parts were over at the last reading.</param>
    /// <param name="taken">How many pages it found.</param>
    public long Next(long over, long taken)
    {
        var cost = Math.Max(taken * SecondsPerWrite / Math.Max(1, processors), pages * SecondsPerPage);
        _paid += cost;
        // Windows begin at multiples of their length: from there none is cut by the end of a longer one.
        var longest = over == 0 ? 1 : 1L << BitOperations.TrailingZeroCount(over);
        for (long length = 1; length < longest; length *= 2)
            if (_paid + cost <= Budget * (over + length) * part.TotalSeconds) return over + length;
        return over + longest;
    }
}
