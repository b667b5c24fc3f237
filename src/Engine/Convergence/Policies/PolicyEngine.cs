using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>
/// Looks at the rules of a policy and says what they decide: figures in, decisions with their reasons out. It knows no clock and changes
/// nothing outside; what it has set can be read from it, and is never beyond the bounds that it was given last. One thread. Rules that
/// are looked at are in PolicyEngine.Rules, the one that decides by itself in PolicyEngine.Adaptive.
/// </summary>
sealed partial class PolicyEngine
{
    readonly MigrationPolicy _policy;
    readonly PassHistory _history = new();
    readonly int[] _throttles;
    readonly int[] _lastPass;
    PolicyBounds _bounds;
    TimeSpan? _downtimeLimit;
    long? _bandwidth;

    /// <param name="policy">Its rules.</param>
    /// <param name="processors">How many vCPUs the guest has.</param>
    /// <param name="bounds">What the user allows.</param>
    public PolicyEngine(MigrationPolicy policy, int processors, PolicyBounds bounds)
    {
        (_policy, _bounds) = (policy, bounds);
        _throttles = new int[processors];
        _held = new double[processors];
        _lastPass = new int[policy.Rules.Length];
        _dirtyLimits = new DirtyLimitState[processors];
    }

    /// <summary>Memory is about to be sent for the first time: the first period begins.</summary>
    public void Begin(TimeSpan now, long sent)
    {
        _period.Look(now, 0, sent);
        _passBegan = now;
    }

    /// <summary>How much each vCPU is to be slowed down, percent.</summary>
    public IReadOnlyList<int> Throttles => _throttles;

    /// <summary>The most of these.</summary>
    public int Throttle => _throttles.Length == 0 ? 0 : _throttles.Max();

    /// <summary>How long the guest may stand still.</summary>
    public TimeSpan DowntimeLimit
    {
        get
        {
            var limit = _downtimeLimit ?? TimeSpan.FromMilliseconds(Math.Max(1, _bounds.MaxDowntime.TotalMilliseconds * _policy.StartDowntime));
            return limit < _bounds.MaxDowntime ? limit : _bounds.MaxDowntime;
        }
    }

    /// <summary>What may be sent, bytes/s; 0 is no limit.</summary>
    public long Bandwidth => (_bandwidth, _bounds.MaxBandwidth) switch
    {
        ({ } own, 0) => own,
        ({ } own, var most) => Math.Min(own, most),
        (null, var most) => most,
    };

    /// <summary>One look. What it decided, in the order of the rules; empty where all stays as it is.</summary>
    public IReadOnlyList<PolicyDecision> Decide(in PolicyInput input, PolicyBounds bounds)
    {
        _bounds = bounds;
        Account(input.Elapsed);
        // What the user allows may have become less meanwhile.
        for (var cpu = 0; cpu < _throttles.Length; cpu++) _throttles[cpu] = Math.Min(_throttles[cpu], bounds.MaxThrottle);
        if (input.IsPassEnd) _history.Add(input.Pending);
        List<PolicyDecision>? decisions = null;
        for (var at = 0; at < _policy.Rules.Length; at++)
        {
            if (_policy.Rules[at].Then.Kind == PolicyActionKind.Adaptive) (decisions ??= []).AddRange(LookForAdaptive(_policy.Rules[at], input));
            else if (Look(at, input) is { } decision) (decisions ??= []).Add(decision);
        }
        return decisions ?? (IReadOnlyList<PolicyDecision>)[];
    }

    PolicyDecision? Look(int at, in PolicyInput input)
    {
        var rule = _policy.Rules[at];
        if (rule.Then.Kind == PolicyActionKind.AutoConverge) return LookForAutoConverge(rule, input);
        if (rule.Then.Kind == PolicyActionKind.DirtyLimit) return LookForDirtyLimit(rule, input);
        if (!input.IsPassEnd && rule.At == PolicyMoment.PassEnd) return null;
        if (_lastPass[at] >= input.Pass || (_lastPass[at] > 0 && (rule.Once || IsDoneOnce(rule)))) return null;
        if (!IsMet(rule, input) || Act(rule, input) is not { } decision) return null;
        _lastPass[at] = input.Pass;
        return decision;
    }

    // What happens once by its nature is not told each time where it is only observed, or not allowed.
    static bool IsDoneOnce(PolicyRule rule) => rule.Then.Kind is PolicyActionKind.SwitchToPostcopy or PolicyActionKind.Cancel;

    bool IsMet(PolicyRule rule, in PolicyInput input)
    {
        foreach (var condition in rule.When)
            if (Value(condition.Figure, input) is not { } value || !condition.IsMetBy(value)) return false;
        return true;
    }

    double? Value(PolicyFigure figure, in PolicyInput input) => figure switch
    {
        PolicyFigure.Pass => input.Pass,
        PolicyFigure.Elapsed => input.Elapsed.TotalSeconds,
        PolicyFigure.DirtyRate => input.DirtyRate,
        PolicyFigure.Bandwidth => input.Bandwidth > 0 ? input.Bandwidth : null,
        PolicyFigure.DirtyRatio => input.Bandwidth > 0 ? input.DirtyRate / input.Bandwidth : null,
        PolicyFigure.Pending => input.Pending,
        PolicyFigure.PendingRatio => input.Threshold > 0 ? (double)input.Pending / input.Threshold : null,
        PolicyFigure.EstimatedDowntime => input.EstimatedDowntime?.TotalSeconds,
        PolicyFigure.DowntimeLimit => DowntimeLimit.TotalSeconds,
        PolicyFigure.StalledPasses => _history.Stalled,
        PolicyFigure.PendingToLeast => _history.ToLeast(input.Pending),
        PolicyFigure.Throttle => input.GuestThrottle ?? Throttle,
        _ => null,
    };
}
