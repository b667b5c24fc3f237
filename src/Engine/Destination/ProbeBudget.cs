namespace PsMigrate.Engine.Destination;

/// <summary>
/// How much of its time a process gives to probes: one at a time, none for longer than <see cref="Longest"/>, and over a longer time a sixth of
/// it. Whoever can connect can probe, and is not to have the link for good. Thread-safe.
/// </summary>
/// <param name="now">Milliseconds of a clock that never goes back.</param>
sealed class ProbeBudget(Func<long> now)
{
    // Less is not worth beginning.
    const double LeastMilliseconds = 2000;

    // Saved up while nobody probes.
    const double MostMilliseconds = 15_000;
    const double Share = 1.0 / 6;

    readonly Lock _lock = new();
    double _left = MostMilliseconds;
    long _since = now();
    bool _isTaken;

    /// <summary>Of one probe.</summary>
    public TimeSpan Longest { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Of this process.</summary>
    public static ProbeBudget OfProcess { get; } = new(() => Environment.TickCount64);

    /// <summary>How long a probe may take that begins now; null when none may. <see cref="End"/> has to follow.</summary>
    public TimeSpan? TryBegin()
    {
        lock (_lock)
        {
            if (_isTaken) return null;
            var time = now();
            _left = Math.Min(MostMilliseconds, _left + ((time - _since) * Share));
            _since = time;
            if (_left < LeastMilliseconds) return null;
            _isTaken = true;
            return TimeSpan.FromMilliseconds(Math.Min(_left, Longest.TotalMilliseconds));
        }
    }

    /// <summary>The probe is over.</summary>
    public void End()
    {
        lock (_lock)
        {
            var time = now();
            _left -= time - _since;
            (_since, _isTaken) = (time, false);
        }
    }
}
