using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>
/// A policy that decides in a replay as it does in a migration: it is told the same figures at the same moments, and what it sets counts for
/// the link and for the guest. One thread.
/// </summary>
sealed class ReplayPolicy : IPrecopyPolicy
{
    // Passes, and the longest of these times, without getting anywhere and without a decision, after which none will come.
    const int FewestVain = 30;
    const double ShortestVain = 15;
    const double RecordedVain = 2;
    const double Progress = 0.99;

    // What goes on so often is not worth waiting for: how it ends is not known.
    const int MostPasses = 30_000;

    readonly MigrationParameters _parameters;
    readonly ReplayGuest _guest;
    readonly bool _isDriven;
    readonly PolicyEngine? _engine;
    readonly string _name;
    readonly double _patience;
    readonly double _latest;
    readonly List<MigrationDecision> _decisions = [];
    bool _mayUseMaxDowntime;
    double _least = double.PositiveInfinity;
    double _changed;
    int _vain;

    /// <param name="parameters">What is asked for.</param>
    /// <param name="guest">The guest of the trace.</param>
    /// <param name="processors">How many vCPUs it has.</param>
    /// <param name="isDriven">Whether a QEMU sends, which switches over by itself.</param>
    public ReplayPolicy(MigrationParameters parameters, ReplayGuest guest, int processors, bool isDriven)
    {
        (_parameters, _guest, _isDriven) = (parameters, guest, isDriven);
        if (parameters is { EffectivePolicy: { } policy, ObserveOnly: false }) _engine = new PolicyEngine(policy, processors, Bounds);
        _name = parameters.EffectivePolicy?.Name ?? "";
        _patience = Math.Max(ShortestVain, guest.Recorded * RecordedVain);
        // A rule that waits for its time may come yet.
        var latest = parameters.EffectivePolicy?.Rules.SelectMany(rule => rule.When).Where(one => one.Figure == PolicyFigure.Elapsed).Select(one => one.Value).DefaultIfEmpty(0).Max() ?? 0;
        _latest = latest > 0 ? latest + ShortestVain : 0;
    }

    public TimeSpan MaxDowntime => _engine is { } engine && !_mayUseMaxDowntime ? engine.DowntimeLimit : _parameters.MaxDowntime;

    public long MaxBandwidth => _engine?.Bandwidth ?? _parameters.MaxBandwidth;

    public PrecopyOrder Order { get; private set; }

    /// <summary>What was decided.</summary>
    public MigrationDecision[] Decisions => [.. _decisions];

    public void Begin(double now)
    {
        if (_parameters.Mode == MigrationMode.Postcopy) Order = PrecopyOrder.GoOver;
        _changed = now;
        if (_engine is not { } engine) return;
        engine.Begin(PrecopySimulation.Time(now), 0);
        Apply(now);
    }

    public void AfterPass(in PrecopyMoment moment)
    {
        _mayUseMaxDowntime = false;
        _vain++;
        if (moment.Pending < _least * Progress) (_vain, _changed) = (0, moment.Now);
        _least = Math.Min(_least, moment.Pending);
        Ask(moment, isPassEnd: true);
        if (_parameters.Mode == MigrationMode.Hybrid && moment.Pass >= _parameters.PostcopyAfter && Order == PrecopyOrder.None) Order = PrecopyOrder.GoOver;
        Look(moment.Now);
        if (moment.Pass >= MostPasses && Order == PrecopyOrder.None) Order = PrecopyOrder.BreakOff;
    }

    public void InWindow(in PrecopyMoment moment)
    {
        Ask(moment, isPassEnd: false);
        Look(moment.Now);
    }

    /// <summary>Whether the time allowed is over, or nothing will change any more.</summary>
    void Look(double now)
    {
        if (Order != PrecopyOrder.None) return;
        if (_parameters.Timeout is { } timeout && now >= timeout.TotalSeconds)
            Order = _parameters.OnTimeout switch
            {
                TimeoutAction.SwitchOver => PrecopyOrder.SwitchOver,
                TimeoutAction.Postcopy => PrecopyOrder.GoOver,
                _ => PrecopyOrder.Cancel,
            };
        else if (_parameters.Timeout is null && _vain >= FewestVain && now - _changed > _patience && now > _latest) Order = PrecopyOrder.GiveUp;
    }

    void Ask(in PrecopyMoment moment, bool isPassEnd)
    {
        if (_engine is not { } engine) return;
        foreach (var decision in engine.Decide(moment.ToInput(isPassEnd, _parameters.SwitchoverBandwidth, _guest.WrittenAt(moment.Now)), Bounds))
        {
            _decisions.Add(new MigrationDecision(PrecopySimulation.Time(moment.Now), decision.What, decision.From, decision.To, decision.Reason) { Policy = _name });
            (_vain, _changed) = (0, moment.Now);
            Obey(decision.Order);
        }
        Apply(moment.Now);
    }

    void Obey(PolicyOrder order)
    {
        if (order == PolicyOrder.SwitchOver) _mayUseMaxDowntime = true;
        else if (order == PolicyOrder.SwitchToPostcopy && Order == PrecopyOrder.None) Order = PrecopyOrder.GoOver;
        else if (order == PolicyOrder.Cancel) Order = PrecopyOrder.Cancel;
    }

    void Apply(double now) => _guest.SetThrottles(now, _engine!.Throttles);

    PolicyBounds Bounds
    {
        get
        {
            var bounds = PolicyBounds.Of(_parameters);
            return bounds with { HoldsBack = bounds.HoldsBack && !_isDriven };
        }
    }
}
