using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>
/// Goes through a precopy in virtual time, as the sending thread does (docs/phases.md): windows of 100 ms, parts of 50 ms, the dirty log read
/// when what is known fits, the switch-over rule, the last pages with the guest stopped and no limit on them. What the guest writes is the
/// memory's to say, and who decides on the way is a policy. The same input always gives the same. Pure.
/// </summary>
sealed class PrecopySimulation
{
    const double Window = 0.1;
    const double Part = 0.05;

    // Of sums of seconds.
    const double Rounding = 1e-9;

    const double PageSize = 4096;

    // Fewer say nothing of how fast they go (OutgoingMigration.Means).
    const double FewestConfirmed = 64;

    const int MostSteps = 2_000_000;
    const double Longest = 1e10;

    readonly PrecopyScenario _scenario;
    readonly IPrecopyMemory _memory;
    readonly IPrecopyPolicy _policy;
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
    double _loadedAt;
    double _pages;
    KeptPages _kept;
    double _leastRemaining = double.PositiveInfinity;
    double? _dirtyRate;

    PrecopySimulation(PrecopyScenario scenario, IPrecopyMemory memory, IPrecopyPolicy policy)
    {
        (_scenario, _memory, _policy) = (scenario, memory, policy);
        _now = _windowStart = _passStart = scenario.Sender.Setup;
        _differences = new DifferencesModel(scenario);
    }

    /// <summary>How it would go with a guest that is its dirty curve, whose pages are written alike all over the memory.</summary>
    public static SimulatedPrecopy Run(PrecopyScenario scenario) =>
        Run(scenario, new SweptMemory(scenario, scenario.Sender.Setup), scenario.ShortensStop && scenario.Throttle == 0 ? new ShortenedStop(scenario) : new FixedLimits(scenario));

    /// <summary>How it would go with this memory under this policy, which may change limits and the guest on the way.</summary>
    public static SimulatedPrecopy Run(PrecopyScenario scenario, IPrecopyMemory memory, IPrecopyPolicy policy) =>
        new PrecopySimulation(scenario, memory, policy).Run();

    SimulatedPrecopy Run()
    {
        _policy.Begin(_now);
        for (var step = 0; step < MostSteps && _scenario.Bandwidth > 0; step++)
        {
            if (_policy.Order is PrecopyOrder.Cancel or PrecopyOrder.GiveUp or PrecopyOrder.BreakOff) break;
            if (_policy.Order == PrecopyOrder.SwitchOver || IsReady()) return SwitchOver();
            if (_policy.Order == PrecopyOrder.GoOver) return GoOver();
            Iterate();
            EndStep();
        }
        return Result(Unended(), downtime: 0, finalRam: 0, finalPages: 0);
    }

    /// <summary>Why it was not gone through to its end. Without a link there is nothing to wait for.</summary>
    PrecopyEnd Unended() => _policy.Order == PrecopyOrder.Cancel ? PrecopyEnd.Cancelled
        : _policy.Order == PrecopyOrder.GiveUp || _scenario.Bandwidth <= 0 ? PrecopyEnd.GivenUp
        : PrecopyEnd.BrokenOff;

    double Carried => Math.Max(_bandwidth, _pageBandwidth);

    double Threshold => SwitchoverRule.Threshold(Carried, _scenario.SwitchoverBandwidth, _policy.MaxDowntime);

    PrecopyMoment Moment(int pass) => new(_now, pass, _memory.Known, _dirtyRate, Carried, Threshold, _memory.Dirtied, _bytes, _differences.AreAwaited,
        _kept.IsTrial ? _scenario.Sender.SmallPages : 0, _kept.IsTrial ? Math.Min(_kept.NeverSent(_pages), _memory.Known) : 0,
        _kept.IsTrial && _scenario.Differences == DifferencesUse.Asked);

    /// <summary>5.1: the estimate, then the log.</summary>
    bool IsReady()
    {
        if (_memory.Known > Threshold) return false;
        if (_bandwidth == 0 && _now - _windowStart >= 0.001) EndWindow();
        CountPages();
        _now += _scenario.Sender.Synchronisation * _scenario.Curve.TotalBytes;
        var unsent = _memory.Known;
        _memory.Synchronise(_now);
        if (_passPages > 0) EndPass(unsent);
        return _policy.Order != PrecopyOrder.Cancel && _memory.Known <= Threshold;
    }

    /// <summary>5.2: within this window, and a part of it.</summary>
    void Iterate()
    {
        var until = _now + Part;
        while (_now < until && Budget > 0)
        {
            var (left, isFirst, isKept) = _memory.Next(_now);
            if (left <= 0) return;
            var (wire, seconds, zero) = Cost(isFirst, isKept);
            var bytes = Math.Min(left, (until - _now) / seconds);
            if (wire > 0) bytes = Math.Min(bytes, Budget / wire);
            bytes = Math.Max(bytes, 1);
            _memory.Send(bytes);
            Count(bytes, wire, IsSmall(wire, isFirst));
            _now += bytes * seconds;
            Load(bytes * zero);
        }
    }

    double Budget => _policy.MaxBandwidth == 0 ? double.PositiveInfinity : Math.Max(1, _policy.MaxBandwidth * Window) - _windowBytes;

    /// <summary>7: the window ends, after a sleep where its limit is used up.</summary>
    void EndStep()
    {
        if (Budget < 1) _now = Math.Max(_now, _windowStart + WindowLength);
        if (_now - _windowStart < Window - Rounding) return;
        EndWindow();
        if (_passes.Count == 0) _differences.LookInFirstPass(_memory, _now, _passPages, _bandwidth, Threshold);
        _policy.InWindow(Moment(_passes.Count + 1));
    }

    /// <summary>With the sleep at its end. What was recorded of a limit that was not reached has that in it.</summary>
    double WindowLength => _scenario.Reached is { } reached ? Window / reached(_windowStart) : Window + _scenario.Sender.Lateness;

    void EndWindow()
    {
        if (_windowBytes > 0) _bandwidth = _windowBytes / (_now - _windowStart);
        (_windowStart, _windowBytes) = (_now, 0);
    }

    /// <summary>What a byte of a page takes on the wire, and of time; and which share of it is zero.</summary>
    (double Wire, double Seconds, double Zero) Cost(bool isFirst, bool isKept)
    {
        var (_, fresh, again) = _scenario.Shares;
        var sender = _scenario.Sender;
        var zero = isFirst ? _memory.ZeroShare ?? _scenario.Shares.Zero : 0;
        var share = isFirst ? fresh : isKept && _differences.AreUsed ? again : _scenario.Shares.Rewritten ?? fresh;
        var wire = ((1 - zero) * (share + (sender.PageHeader / PageSize))) + (zero * sender.ZeroRecord / PageSize);
        var looking = zero / sender.ZeroPages;
        if (IsSmall(share, isFirst)) looking += 1 / sender.SmallPages;
        return (wire, Math.Max(wire / _scenario.Bandwidth, Math.Max(looking, 1e-12)), zero);
    }

    /// <summary>The destination takes zero pages as they come, or more slowly.</summary>
    void Load(double zeros) => _loadedAt = Math.Max(_loadedAt, _now) + (zeros / _scenario.Sender.LoadedZeros);

    bool IsSmall(double wire, bool isFirst) => isFirst ? _scenario.Shares.Fresh < 0.5 : wire < 0.5;

    void Count(double bytes, double wire, bool isSmall)
    {
        _windowBytes += bytes * wire;
        _passBytes += bytes * wire;
        _bytes += bytes * wire;
        _passPages += bytes;
        _pages += bytes;
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

    void EndPass(double unsent)
    {
        var took = _now - _passStart;
        var remaining = _memory.Known;
        _passes.Add(new SimulatedPass(Time(took), _passBytes, remaining, Threshold));
        _dirtyRate = _memory.Dirtied / Math.Max(took, 1e-6);
        _differences.LookAfterPass(_memory, remaining, remaining / Math.Max(took, 1e-6), _bandwidth, Threshold, isFirst: _passes.Count == 1);
        _leastRemaining = Math.Min(_leastRemaining, remaining);
        if (_passes.Count > 1) _kept.EndPass(_pages - _passPages);
        else if (_differences.HasBegunEarly) _kept.Begin(unsent, _pages);
        (_passStart, _passBytes, _passPages, _passSmall) = (_now, 0, 0, 0);
        _policy.AfterPass(Moment(_passes.Count));
    }

    /// <summary>5.3, postcopy_start: all that is dirty is told, and follows. How long that takes is not this one's to say.</summary>
    SimulatedPrecopy GoOver()
    {
        _memory.Synchronise(_now);
        var sender = _scenario.Sender;
        _bytes += sender.DeviceState;
        var downtime = sender.Overhead + (sender.DeviceState / _scenario.Bandwidth);
        _now += downtime;
        return Result(PrecopyEnd.WentOver, downtime, finalRam: 0, _memory.Known);
    }

    /// <summary>5.3: what is left goes as fast as the link carries it.</summary>
    SimulatedPrecopy SwitchOver()
    {
        double finalRam = 0, finalLink = 0, finalPages = 0, newPages = 0;
        if (_policy.Order == PrecopyOrder.SwitchOver) _memory.Synchronise(_now);
        var backlog = Math.Max(0, _loadedAt - _now);
        for (var cells = 0; cells < 10_000 && _memory.Next(_now) is { Left: > 0 } next; cells++)
        {
            var (wire, seconds, zero) = Cost(next.IsFirst, next.IsKept);
            _memory.Send(next.Left);
            _bytes += next.Left * wire;
            finalRam += next.Left * seconds;
            finalLink += next.Left * wire / _scenario.Bandwidth;
            backlog += next.Left * zero / _scenario.Sender.LoadedZeros;
            finalPages += next.Left * (1 - zero);
            if (next.IsFirst) newPages += next.Left * (1 - zero);
        }
        var sender = _scenario.Sender;
        _bytes += sender.DeviceState;
        var burst = ((finalPages - newPages) / sender.Again(_scenario.Walks).Value) + (newPages / _scenario.New.Value);
        var downtime = Math.Max(finalRam, burst) + backlog + sender.Overhead + (sender.DeviceState / _scenario.Bandwidth);
        _now += downtime + sender.Finish;
        return Result(PrecopyEnd.SwitchedOver, downtime, finalRam, finalPages) with { NewPages = newPages, FinalLink = Time(finalLink), Backlog = Time(backlog) };
    }

    SimulatedPrecopy Result(PrecopyEnd end, double downtime, double finalRam, double finalPages) => new()
    {
        End = end,
        Passes = _passes,
        TotalTime = Time(_now),
        Downtime = Time(downtime),
        FinalRam = Time(finalRam),
        FinalPages = finalPages,
        Bytes = _bytes,
        Bandwidth = _bandwidth,
        LeastRemaining = double.IsFinite(_leastRemaining) ? _leastRemaining : _memory.Known,
    };

    /// <summary>Over a link that carries next to nothing it may be longer than any time.</summary>
    public static TimeSpan Time(double seconds) => TimeSpan.FromSeconds(seconds < Longest ? seconds : Longest);
}
