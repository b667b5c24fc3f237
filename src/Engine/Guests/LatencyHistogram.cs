using System.Numerics;

namespace PsMigrate.Engine.Guests;

/// <summary>
/// How long things took, in bounded room however many there were: sixteen classes for each power of two of 100 ns, so that a percentile is
/// right to a sixteenth, and exact below 3.2 µs. The longest is kept exactly. Used behind its owner's lock.
/// </summary>
sealed class LatencyHistogram
{
    const int Bits = 4;
    const int Classes = 1 << Bits;

    readonly long[] _counts = new long[(64 - Bits) * Classes];
    readonly long[] _octaves = new long[64];
    long _worst;

    /// <summary>How many were counted.</summary>
    public long Count { get; private set; }

    /// <summary>The longest; exact.</summary>
    public TimeSpan Worst => new(_worst);

    public void Add(TimeSpan latency)
    {
        var ticks = Math.Max(0, latency.Ticks);
        _counts[ClassOf(ticks)]++;
        _octaves[BitOperations.Log2((ulong)(ticks / TimeSpan.TicksPerMicrosecond) | 1)]++;
        _worst = Math.Max(_worst, ticks);
        Count++;
    }

    /// <summary>So many of a thousand took at most so long: the upper end of the class, and never more than the longest.</summary>
    public TimeSpan Permille(int permille)
    {
        var rank = Math.Max(1, (long)(((Int128)Count * permille + 999) / 1000));
        for (var i = 0; i < _counts.Length; i++)
        {
            rank -= _counts[i];
            if (rank <= 0) return new(Math.Min(_worst, UpperEnd(i)));
        }
        return Worst;
    }

    /// <summary>Entry n counts those of 2^n to 2^(n+1) microseconds, entry 0 also the shorter ones; none behind the last that counts any.</summary>
    public long[] Octaves() => _octaves[..(Array.FindLastIndex(_octaves, count => count != 0) + 1)];

    static int ClassOf(long ticks)
    {
        if (ticks < Classes) return (int)ticks;
        var shift = BitOperations.Log2((ulong)ticks) - Bits;
        return (shift * Classes) + (int)(ticks >> shift);
    }

    static long UpperEnd(int index)
    {
        if (index < 2 * Classes) return index;
        var shift = (index / Classes) - 1;
        return (((long)(index % Classes) + Classes + 1) << shift) - 1;
    }
}
