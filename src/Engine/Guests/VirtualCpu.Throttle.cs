using System.Diagnostics;

namespace PsMigrate.Engine.Guests;

/// <summary>
/// A vCPU that is held back (cpu_throttle_thread of QEMU): it runs for 10 ms, or for less where a migration wants it to sleep shorter at a time, and then
/// sleeps p / (1 - p) times that, between two ticks.
/// One that is not pays a look at one number each time that it looks at the clock.
/// </summary>
sealed partial class VirtualCpu
{
    /// <summary>QEMU's most.</summary>
    public const int MostThrottle = 99;

    // QEMU's CPU_THROTTLE_TIMESLICE: how long it runs at a time.
    static readonly long ThrottleSlice = Stopwatch.Frequency / 100;

    volatile int _throttle;
    long _slice = ThrottleSlice;
    int _ownThrottle;
    int _migrationThrottle;
    long _migrationSlice = ThrottleSlice;
    long _throttledTime;
    // Since when it is held back, and in which run; 0 when it is not. With the gate held.
    long _holdStart;
    int _holdRun;

    /// <summary>How much of its time its owner has it held back, percent, 0 to 99.</summary>
    public int OwnThrottle
    {
        get { lock (_gate) return _ownThrottle; }
        set
        {
            lock (_gate)
            {
                _ownThrottle = Math.Clamp(value, 0, MostThrottle);
                ApplyThrottle();
            }
        }
    }

    /// <summary>How much a migration has it held back, percent. The larger of the two counts.</summary>
    public int MigrationThrottle
    {
        get { lock (_gate) return _migrationThrottle; }
    }

    /// <summary>A migration holds it back, percent, 0 to 99.</summary>
    /// <param name="percent">How much of its time.</param>
    /// <param name="slice">How long it runs between two sleeps, 1 to 10 ms; null is QEMU's 10 ms. The shorter, the shorter is each sleep.</param>
    public void ThrottleForMigration(int percent, TimeSpan? slice = null)
    {
        lock (_gate)
        {
            _migrationThrottle = Math.Clamp(percent, 0, MostThrottle);
            _migrationSlice = SliceOf(slice);
            ApplyThrottle();
        }
    }

    /// <summary>How long it was held back in all, to this moment; not while it was stopped.</summary>
    public TimeSpan ThrottledTime
    {
        get
        {
            lock (_gate) return Stopwatch.GetElapsedTime(0, _throttledTime + (_holdRun == 0 ? 0 : Stopwatch.GetTimestamp() - _holdStart));
        }
    }

    /// <summary>Binds at once, also one that sleeps: it sleeps shorter or longer, by the same slice.</summary>
    void ApplyThrottle()
    {
        var isOfMigration = _migrationThrottle > _ownThrottle;
        var (throttle, slice) = isOfMigration ? (_migrationThrottle, _migrationSlice) : (_ownThrottle, ThrottleSlice);
        if (throttle == _throttle && slice == _slice) return;
        Volatile.Write(ref _slice, slice);
        _throttle = throttle;
        if (_holdRun == 0) return;
        // One that is let go is not held back any more, also before it has woken.
        if (_throttle == 0) EndHold(_holdRun);
        Monitor.PulseAll(_gate);
    }

    /// <summary>Sleeps until its next slice. How long that took, in the units of <see cref="Stopwatch"/>.</summary>
    long HoldBack(int run, long from)
    {
        lock (_gate)
        {
            if (_run != run) return 0;
            (_holdRun, _holdStart) = (run, from);
            for (var left = LeftToSleep(from, from); _run == run && left > 0; left = LeftToSleep(from, Stopwatch.GetTimestamp()))
                Sleep(run, (int)Math.Max(1, left * 1000 / Stopwatch.Frequency));
            EndHold(run);
        }
        return Stopwatch.GetTimestamp() - from;
    }

    long LeftToSleep(long from, long now) => from + Sleep(_throttle, _slice) - now;

    static long Sleep(int percent, long slice) => slice * percent / (100 - percent);

    /// <summary>How long one that is held back by so many percent sleeps after each slice, of 10 ms where none is given.</summary>
    public static TimeSpan SleepAfterSlice(int percent, TimeSpan? slice = null) => Stopwatch.GetElapsedTime(0, Sleep(percent, SliceOf(slice)));

    // A timer does not do less than a millisecond, and none is longer than QEMU's.
    static long SliceOf(TimeSpan? slice) =>
        slice is { } own ? Math.Clamp((long)(own.TotalSeconds * Stopwatch.Frequency), ThrottleSlice / 10, ThrottleSlice) : ThrottleSlice;

    // With the gate held. A thread that slept through a stop and a start finds another run's, or none.
    void EndHold(int run)
    {
        if (_holdRun != run) return;
        _throttledTime += Stopwatch.GetTimestamp() - _holdStart;
        _holdRun = 0;
    }
}
