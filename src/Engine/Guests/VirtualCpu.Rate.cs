using System.Diagnostics;

namespace PsMigrate.Engine.Guests;

/// <summary>How fast a vCPU has written lately: it looks at its own count twice a second, so that whoever asks need not have asked before.</summary>
sealed partial class VirtualCpu
{
    static readonly long RateSpan = Stopwatch.Frequency / 2;

    // Less says nothing.
    static readonly TimeSpan ShortestRate = TimeSpan.FromMilliseconds(50);

    // One that was held for a moment, as for a digest, goes on as if it had not been.
    static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(100);

    // Replaced as a whole, for any thread looks at it.
    volatile RateMarks? _marks;

    /// <summary>Ticks per second, by the last half to whole second, or since it runs; null where that is too short. 0 where it never ran.</summary>
    public double? RecentTicksPerSecond
    {
        get
        {
            if (_marks is not { } marks) return NeedsThread ? null : 0;
            var elapsed = Stopwatch.GetElapsedTime(marks.From);
            return elapsed < ShortestRate ? null : (Tick - marks.FromTick) / elapsed.TotalSeconds;
        }
    }

    // It is about to run.
    void BeginRate()
    {
        if (_marks is not null && Stopwatch.GetElapsedTime(LastTickTime) < LongestPause) return;
        var now = Stopwatch.GetTimestamp();
        _marks = new RateMarks(now, Tick, now, Tick);
    }

    // On its own thread, when ticks were done.
    void MarkRate(long now)
    {
        if (_marks is { } marks && now - marks.Next >= RateSpan) _marks = new RateMarks(marks.Next, marks.NextTick, now, _registers.Tick);
    }

    sealed record RateMarks(long From, ulong FromTick, long Next, ulong NextTick);
}
