namespace PsMigrate.Engine.Convergence;

/// <summary>Pages that lie side by side, and were all written.</summary>
/// <param name="First">The first one.</param>
/// <param name="End">The one behind the last.</param>
readonly record struct WrittenRun(long First, long End);

/// <summary>A walk that was found.</summary>
/// <param name="Head">The page that comes next.</param>
/// <param name="Rate">Pages a second.</param>
readonly record struct FoundWalk(long Head, double Rate);

/// <summary>
/// Finds those who write one page after the other, by looks at a dirty log: a run of written pages that has grown at its end between two looks is one,
/// if such runs are nearly all that was written between them. Times in seconds. Nothing is allocated by a look. Pure.
/// </summary>
sealed class WalkFinder
{
    /// <summary>Of pages that are written anywhere there are more runs.</summary>
    public const int MostRuns = 256;

    const int MostWalks = 8;

    // Pages: fewer say nothing of their order.
    const long FewestPages = 64;

    // By how much of what was written walks may be off.
    const double Tolerance = 0.25;

    // Guests nap, for up to a millisecond and a half.
    const double ShortestSpan = 0.003;

    readonly WrittenRun[] _before = new WrittenRun[MostRuns];
    readonly FoundWalk[] _found = new FoundWalk[MostWalks];
    int _runs;
    int _walks;
    long _pages;
    double _when;

    /// <summary>By the last look, and the one before it.</summary>
    public ReadOnlySpan<FoundWalk> Found => _found.AsSpan(0, _walks);

    /// <summary>The log is clean. Where it was looked at right before, walks that were found go on from where they were.</summary>
    public void Begin(double now)
    {
        for (var walk = 0; walk < _walks; walk++) _before[walk] = new WrittenRun(_found[walk].Head, _found[walk].Head);
        (_runs, _pages, _when) = (_walks, 0, now);
    }

    /// <summary>The log was looked at. Whether walks were found.</summary>
    /// <param name="now">When.</param>
    /// <param name="runs">What it holds, in order; at most <see cref="MostRuns"/>.</param>
    /// <param name="taken">Pages that were taken out of it since the last look.</param>
    public bool Look(double now, ReadOnlySpan<WrittenRun> runs, long taken)
    {
        long pages = 0;
        foreach (var run in runs) pages += run.End - run.First;
        _walks = 0;
        if (now - _when >= ShortestSpan) Find(runs, now - _when, pages - _pages + taken);
        runs.CopyTo(_before);
        (_runs, _pages, _when) = (runs.Length, pages, now);
        return _walks > 0;
    }

    /// <summary>The log was looked at, and holds more runs than can be told.</summary>
    public void Lose(double now) => (_walks, _runs, _pages, _when) = (0, 0, 0, now);

    void Find(ReadOnlySpan<WrittenRun> runs, double seconds, long written)
    {
        long walked = 0;
        foreach (var run in runs)
        {
            if (EndBefore(run) is not { } end) continue;
            // So many that nobody can go behind them all.
            if (_walks == MostWalks)
            {
                _walks = 0;
                return;
            }
            _found[_walks++] = new FoundWalk(run.End, (run.End - end) / seconds);
            walked += run.End - end;
        }
        if (walked < FewestPages || walked < written * (1 - Tolerance) || walked > written * (1 + Tolerance)) _walks = 0;
    }

    /// <summary>Where the same run ended at the last look; null where it was not there, or has not grown.</summary>
    long? EndBefore(WrittenRun run)
    {
        for (var i = _runs - 1; i >= 0; i--)
        {
            var end = _before[i].End;
            // The page at which it stood may have been written on both sides of the last collection.
            if (end >= run.First - 1 && end < run.End) return end;
        }
        return null;
    }
}
