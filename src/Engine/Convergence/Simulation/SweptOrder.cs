namespace PsMigrate.Engine.Convergence;

/// <summary>
/// Where a simulated pass of this engine goes on: by the same rule (<see cref="PassStart"/>), and at the same moment, as in a migration. Who walks is known
/// from where the guest was measured to. Times in seconds, sizes in bytes. Pure.
/// </summary>
/// <param name="scenario">What is gone through.</param>
/// <param name="dirtied">Who writes.</param>
/// <param name="now">When the first pass begins.</param>
sealed class SweptOrder(PrecopyScenario scenario, DirtiedCells dirtied, double now)
{
    const double PageSize = 4096;

    // Two looks at the log.
    const double UntilSeen = 0.015;

    const double FewestSent = 64 * PageSize;

    readonly double[] _pages = new double[dirtied.Count];
    readonly double _cellPages = scenario.Curve.TotalBytes / (double)dirtied.Count / PageSize;
    double _began = now;
    double _due = now + UntilSeen;
    double _sent;
    double _bytesPerSecond;

    /// <summary>So much went.</summary>
    public void Send(double bytes) => _sent += bytes;

    /// <summary>The next pass begins. Who walks is known by the look at its end.</summary>
    public void Begin(double now)
    {
        if (_sent >= FewestSent) _bytesPerSecond = _sent / (now - _began);
        (_began, _due, _sent) = (now, now, 0);
    }

    /// <summary>In which cell the pass goes on; null where it may go on as it stands. At most once a pass.</summary>
    /// <param name="now">When.</param>
    /// <param name="at">In which cell it stands, at whose begin.</param>
    /// <param name="known">What is to go, by cell.</param>
    public int? Next(double now, int at, Func<int, double> known)
    {
        if (now < _due || dirtied.WalkerAt(now * (1 - scenario.Throttle)) is not { } walker) return null;
        _due = double.PositiveInfinity;
        for (var cell = 0; cell < _pages.Length; cell++) _pages[cell] = known(cell) / PageSize;
        Walker[] one = [walker with { Rate = walker.Rate * (1 - scenario.Throttle) }];
        var place = PassStart.Choose(one, _pages, _pages, _cellPages, BytesPerSecond(now) / PageSize, at * _cellPages, _pages.Length * _cellPages);
        return place is { } found ? (int)(found.Page / _cellPages) : null;
    }

    double BytesPerSecond(double now)
    {
        var rate = _sent >= FewestSent || _bytesPerSecond == 0 ? _sent / Math.Max(now - _began, 1e-6) : _bytesPerSecond;
        var (zero, fresh, _) = scenario.Shares;
        var wire = (1 - zero) * fresh;
        return scenario.MaxBandwidth > 0 && wire > 0 ? Math.Min(rate, scenario.MaxBandwidth / wire) : rate;
    }
}
