using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>What each action does, within the bounds.</summary>
sealed partial class PolicyEngine
{
    const long MiB = 1 << 20;

    readonly ThrottlePeriod _period = new();
    readonly DirtyLimitState[] _dirtyLimits;
    AutoConvergeState _autoConverge;
    bool _isLimiting;
    TimeSpan _limitedSince;
    long[] _writtenBefore = [];

    /// <summary>Null where it would change nothing.</summary>
    PolicyDecision? Act(PolicyRule rule, in PolicyInput input) => rule.Then.Kind switch
    {
        PolicyActionKind.Throttle => ThrottleAll((int)Math.Round(Math.Clamp(rule.Then.Apply(Throttle), 0, _bounds.MaxThrottle)), Reason(rule, input)),
        PolicyActionKind.DowntimeLimit => LimitDowntime(rule.Then.Apply(LimitToChange), Reason(rule, input)),
        PolicyActionKind.Bandwidth => LimitBandwidth(rule.Then, input, Reason(rule, input)),
        PolicyActionKind.SwitchOver => SwitchOver(input, Reason(rule, input)),
        PolicyActionKind.SwitchToPostcopy => GoOver(Reason(rule, input)),
        PolicyActionKind.Cancel => new PolicyDecision(PolicyOrder.Cancel, "Cancel", "running", "cancelled", Reason(rule, input)),
        _ => null,
    };

    string Reason(PolicyRule rule, in PolicyInput input)
    {
        var facts = new List<string>();
        foreach (var condition in rule.When)
            if (Value(condition.Figure, input) is { } value) facts.Add(Fact(condition, value));
        var why = facts.Count == 0 ? "Always." : $"{string.Join(", ", facts)}.";
        return rule.Because.Length == 0 ? why : $"{rule.Because} ({why[..^1]})";
    }

    static string Fact(PolicyCondition condition, double value) =>
        $"{condition.Figure} {PolicyText.Amount(Rounded(value), PolicyText.UnitOf(condition.Figure))} ({condition.ToString()[(condition.Figure.ToString().Length + 1)..]})";

    // For people: three figures are enough.
    static double Rounded(double value) =>
        value == 0 || !double.IsFinite(value) ? value : Math.Abs(value) >= 1000 ? Math.Round(value) : Math.Round(value, 3);

    PolicyDecision? ThrottleAll(int percent, string reason)
    {
        var before = Throttle;
        if (_throttles.Length == 0 || Array.TrueForAll(_throttles, one => one == percent)) return null;
        Array.Fill(_throttles, percent);
        return new PolicyDecision(PolicyOrder.None, "Throttle", $"{before} %", $"{percent} %", reason);
    }

    PolicyDecision? LimitDowntime(double seconds, string reason)
    {
        var before = DowntimeLimit;
        _downtimeLimit = TimeSpan.FromSeconds(Math.Clamp(seconds, 0.001, _bounds.MaxDowntime.TotalSeconds));
        return DowntimeLimit == before ? null
            : new PolicyDecision(PolicyOrder.None, "DowntimeLimit", Milliseconds(before), Milliseconds(DowntimeLimit), reason);
    }

    PolicyDecision? LimitBandwidth(PolicyAction action, in PolicyInput input, string reason)
    {
        var before = Bandwidth;
        // What is added to or multiplied is what the link carries where nothing limits it.
        var asked = action.Apply(before > 0 ? before : input.Bandwidth);
        if (action.Change != PolicyChange.To && before == 0 && input.Bandwidth <= 0) return null;
        _bandwidth = (long)Math.Clamp(asked, 1, long.MaxValue / 2);
        return Bandwidth == before ? null : new PolicyDecision(PolicyOrder.None, "Bandwidth", Rate(before), Rate(Bandwidth), reason);
    }

    /// <summary>What is left has to fit what the user allows; that is looked at again when the guest is about to be stopped.</summary>
    PolicyDecision? SwitchOver(in PolicyInput input, string reason) =>
        input.IsPassEnd && input.EstimatedDowntime <= _bounds.MaxDowntime && input.EstimatedDowntime > DowntimeLimit
            ? new PolicyDecision(PolicyOrder.SwitchOver, "Switch over", PolicyText.Format($"{input.Pending} bytes left"), "now", reason)
            : null;

    PolicyDecision? GoOver(string reason) => _bounds.MayGoOver
        ? new PolicyDecision(PolicyOrder.SwitchToPostcopy, "Go over", "precopy", "postcopy", reason)
        : new PolicyDecision(PolicyOrder.None, "Go over", "precopy", "precopy", $"{reason} It is not allowed: -Postcopy was not given.");

    PolicyDecision? LookForAutoConverge(PolicyRule rule, in PolicyInput input)
    {
        if (Trigger(rule, input) is not { } period) return null;
        var settings = _bounds.AutoConverge;
        var next = Math.Min(AutoConvergeRule.Next(settings, Throttle, period.Dirtied, period.Sent), _bounds.MaxThrottle);
        return ThrottleAll(next, TooMuch(settings, period));
    }

    /// <summary>QEMU's trigger, of both of its ways to slow a guest down.</summary>
    (long Dirtied, long Sent)? Trigger(PolicyRule rule, in PolicyInput input)
    {
        if (input is not { IsPassEnd: true } || _period.Look(input.Elapsed, input.Dirtied, input.Sent) is not { } period || !IsMet(rule, input)) return null;
        (_autoConverge, var acts) = AutoConvergeRule.Judge(_autoConverge, _bounds.AutoConverge.Trigger, period.Dirtied, period.Sent);
        return acts ? period : null;
    }

    static string TooMuch(AutoConvergeSettings settings, (long Dirtied, long Sent) period) => PolicyText.Format(
        $"{period.Dirtied / (double)MiB:0.#} MB were dirtied while {period.Sent / (double)MiB:0.#} MB were sent, more than {settings.Trigger} %, for the second time.");

    /// <summary>Once triggered, each vCPU is adjusted by itself once a second.</summary>
    PolicyDecision? LookForDirtyLimit(PolicyRule rule, in PolicyInput input)
    {
        var quota = Math.Max(1, _bounds.VcpuDirtyLimit / MiB);
        if (!_isLimiting)
        {
            if (Trigger(rule, input) is not { } period) return null;
            (_isLimiting, _limitedSince, _writtenBefore) = (true, input.Elapsed, input.Written);
            return new PolicyDecision(PolicyOrder.None, "DirtyLimit", "off", PolicyText.Format($"{quota} MB/s"), TooMuch(_bounds.AutoConverge, period));
        }
        var time = input.Elapsed - _limitedSince;
        if (time < DirtyLimitRule.Period) return null;
        var before = string.Join(", ", _throttles);
        var rates = input.Written.Zip(_writtenBefore, (now, then) => (long)Math.Round((now - then) / time.TotalSeconds / MiB)).ToArray();
        for (var cpu = 0; cpu < _throttles.Length && cpu < rates.Length; cpu++)
        {
            _dirtyLimits[cpu] = DirtyLimitRule.Adjust(_dirtyLimits[cpu], quota, rates[cpu]);
            _throttles[cpu] = Math.Min(DirtyLimitRule.Throttle(_dirtyLimits[cpu]), _bounds.MaxThrottle);
        }
        (_limitedSince, _writtenBefore) = (input.Elapsed, input.Written);
        var after = string.Join(", ", _throttles);
        return before == after ? null : new PolicyDecision(PolicyOrder.None, "Throttle", $"{before} %", $"{after} %",
            PolicyText.Format($"The vCPUs write {string.Join(", ", rates)} MB/s, and {quota} MB/s each are allowed."));
    }

    internal static string Milliseconds(TimeSpan time) => PolicyText.Format($"{time.TotalMilliseconds:0.#} ms");

    static string Rate(long bytes) => bytes == 0 ? "no limit" : PolicyText.Format($"{bytes / (double)MiB:0.#} MB/s");
}
