using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>
/// Goes through a precopy in virtual time, as the sending thread does (docs/phases.md): windows of 100 ms, parts of 50 ms, the dirty log read
/// when what is known fits, the switch-over rule, the last pages with the guest stopped and no limit on them. The guest is its dirty curve
/// and pages are written alike all over the memory. The same input always gives the same. Pure.
/// </summary>
sealed class PrecopySimulation
{
    const double Window = 0.1;
    const double Part = 0.05;

    // Of sums of seconds.
    const double Rounding = 1e-9;

    const int PageSize = 4096;

    // Fewer say nothing of how fast they go (OutgoingMigration.Means).
    const double FewestConfirmed = 64;

    // Passes without getting anywhere after which the guest and the link have settled for good.
    const int Settled = 12;
    const double Progress = 0.99;
    const int MostSteps = 2_000_000;

    readonly PrecopyScenario _scenario;
    readonly SweptMemory _memory;
    readonly DifferencesModel _differences;
    readonly List<SimulatedPass> _passes = [];
    double _now;
    double _windowStart;
    double _windowBytes;
    double _bandwidth;
    double _pageBandwidth;
    double _bytes;
    double _passStart;
    double _passBytes;
    double _passPages;
    double _passSmall;
    double _leastRemaining = double.PositiveInfinity;
    int _vain;

    PrecopySimulation(PrecopyScenario scenario)
    {
        _scenario = scenario;
        _now = _windowStart = _passStart = scenario.Sender.Setup;
        _memory = new SweptMemory(scenario, _now);
        _differences = new DifferencesModel(scenario);
    }

    /// <summary>How it would go.</summary>
    public static SimulatedPrecopy Run(PrecopyScenario scenario) => new PrecopySimulation(scenario).Run();

    SimulatedPrecopy Run()
    {
        for (var step = 0; step < MostSteps && _vain < Settled && _scenario.Bandwidth > 0; step++)
        {
            if (IsReady()) return SwitchOver();
            Iterate();
            EndStep();
        }
        return Result(converged: false, downtime: 0, finalRam: 0, finalPages: 0);
    }

    double Threshold => SwitchoverRule.Threshold(Math.Max(_bandwidth, _pageBandwidth), _scenario.SwitchoverBandwidth, _scenario.MaxDowntime);

    /// <summary>5.1: the estimate, then the log.</summary>
    bool IsReady()
    {
        if (_memory.Known > Threshold) return false;
        if (_bandwidth == 0 && _now - _windowStart >= 0.001) EndWindow();
        CountPages();
        _now += _scenario.Sender.Synchronisation * _scenario.Curve.TotalBytes;
        _memory.Synchronise(_now);
        if (_passPages > 0) EndPass();
        return _memory.Known <= Threshold;
    }

    /// <summary>5.2: within this window, and a part of it.</summary>
    void Iterate()
    {
        var until = _now + Part;
        while (_now < until && Budget > 0)
        {
            var (left, isFirst, isKept) = _memory.Next(_now);
            if (left <= 0) return;
            var (wire, seconds) = Cost(isFirst, isKept);
            var bytes = Math.Min(left, (until - _now) / seconds);
            if (wire > 0) bytes = Math.Min(bytes, Budget / wire);
            bytes = Math.Max(bytes, 1);
            _memory.Send(bytes);
            Count(bytes, wire, IsSmall(wire, isFirst));
            _now += bytes * seconds;
        }
    }

    double Budget => _scenario.MaxBandwidth == 0 ? double.PositiveInfinity : Math.Max(1, _scenario.MaxBandwidth * Window) - _windowBytes;

    /// <summary>7: the window ends, after a sleep where its limit is used up.</summary>
    void EndStep()
    {
        if (Budget < 1) _now = Math.Max(_now, _windowStart + Window);
        if (_now - _windowStart < Window - Rounding) return;
        EndWindow();
        if (_passes.Count == 0) _differences.LookInFirstPass(_memory, _now, _bandwidth, Threshold);
    }

    void EndWindow()
    {
        if (_windowBytes > 0) _bandwidth = _windowBytes / (_now - _windowStart);
        (_windowStart, _windowBytes) = (_now, 0);
    }

    /// <summary>What a byte of a page takes on the wire, and of time.</summary>
    (double Wire, double Seconds) Cost(bool isFirst, bool isKept)
    {
        var (zero, fresh, again) = _scenario.Shares;
        var wire = isFirst ? (1 - zero) * fresh : isKept && _differences.AreUsed ? again : fresh;
        var looking = isFirst ? zero / _scenario.Sender.ZeroPages : 0;
        if (IsSmall(wire, isFirst)) looking += 1 / _scenario.Sender.SmallPages;
        return (wire, Math.Max(wire / _scenario.Bandwidth, Math.Max(looking, 1e-12)));
    }

    bool IsSmall(double wire, bool isFirst) => isFirst ? _scenario.Shares.Fresh < 0.5 : wire < 0.5;

    void Count(double bytes, double wire, bool isSmall)
    {
        _windowBytes += bytes * wire;
        _passBytes += bytes * wire;
        _bytes += bytes * wire;
        _passPages += bytes;
        if (isSmall) _passSmall += bytes;
    }

    /// <summary>OutgoingMigration.ConfirmSmallPages.</summary>
    void CountPages()
    {
        if (!_scenario.CountsPages) return;
        if (_passSmall >= FewestConfirmed * PageSize)
        {
            if (_passes.Count > 0) _pageBandwidth = _passPages / Math.Max(_now - _passStart, 0.001);
        }
        else if (_passPages >= FewestConfirmed * PageSize) _pageBandwidth = 0;
    }

    void EndPass()
    {
        var took = _now - _passStart;
        var remaining = _memory.Known;
        _passes.Add(new SimulatedPass(TimeSpan.FromSeconds(took), _passBytes, remaining, Threshold));
        _differences.LookAfterPass(_memory, remaining, remaining / Math.Max(took, 1e-6), _bandwidth, Threshold, isFirst: _passes.Count == 1);
        _vain = remaining < _leastRemaining * Progress ? 0 : _vain + 1;
        _leastRemaining = Math.Min(_leastRemaining, remaining);
        (_passStart, _passBytes, _passPages, _passSmall) = (_now, 0, 0, 0);
    }

    /// <summary>5.3: what is left goes as fast as the link carries it.</summary>
    SimulatedPrecopy SwitchOver()
    {
        double finalRam = 0, finalPages = 0;
        for (var cells = 0; cells < 10_000 && _memory.Next(_now) is { Left: > 0 } next; cells++)
        {
            var (wire, seconds) = Cost(next.IsFirst, next.IsKept);
            _memory.Send(next.Left);
            _bytes += next.Left * wire;
            finalRam += next.Left * seconds;
            finalPages += next.Left;
        }
        var sender = _scenario.Sender;
        _bytes += sender.DeviceState;
        var downtime = Math.Max(finalRam, finalPages / sender.FinalPages) + sender.Overhead + (sender.DeviceState / _scenario.Bandwidth);
        _now += downtime + sender.Finish;
        return Result(converged: true, downtime, finalRam, finalPages);
    }

    SimulatedPrecopy Result(bool converged, double downtime, double finalRam, double finalPages) => new()
    {
        Converged = converged,
        Passes = _passes,
        TotalTime = TimeSpan.FromSeconds(_now),
        Downtime = TimeSpan.FromSeconds(downtime),
        FinalRam = TimeSpan.FromSeconds(finalRam),
        FinalPages = finalPages,
        Bytes = _bytes,
        Bandwidth = _bandwidth,
        LeastRemaining = double.IsFinite(_leastRemaining) ? _leastRemaining : _memory.Known,
    };
}
