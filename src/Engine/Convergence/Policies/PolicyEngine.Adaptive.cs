using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>What <see cref="AdaptiveRule"/> looks at, and what is set as it says.</summary>
sealed partial class PolicyEngine
{
    AdaptiveState _adaptive = AdaptiveState.Begin;
    TimeSpan? _passBegan;
    (TimeSpan At, long[] Written)? _writtenSince;
    // How much each vCPU was held back since then: percent times seconds, until the last look.
    readonly double[] _held;
    TimeSpan? _heldUntil;

    /// <summary>How long a vCPU that is held back runs between two sleeps; null is as long as QEMU lets it.</summary>
    public TimeSpan? ThrottleSlice { get; private set; }

    IEnumerable<PolicyDecision> LookForAdaptive(PolicyRule rule, PolicyInput input)
    {
        _passBegan ??= input.Elapsed;
        _writtenSince ??= (input.Elapsed, input.Written);
        if (!input.IsPassEnd) return LookAtStopInPass(input) is { } inPass ? [inPass] : [];
        var pass = EndedPass(input);
        (_passBegan, _writtenSince) = (input.Elapsed, (input.Elapsed, input.Written));
        Array.Clear(_held);
        if (!IsMet(rule, input)) return _stop is not null && EndStop("The rule does not hold any more.") is { } ended ? [ended] : [];
        (_adaptive, var choice) = AdaptiveRule.Decide(_adaptive, pass, AdaptiveBounds.Of(_bounds));
        var held = LookAtStop(pass, input);
        var done = Do(choice, input);
        return held is { } decision ? done.Prepend(decision) : done;
    }

    /// <summary>Before anything changes the throttles: they were in force since the last look, unless the policy is only observed.</summary>
    void Account(TimeSpan now)
    {
        if (_heldUntil is { } until && !_bounds.IsObserved)
            for (var cpu = 0; cpu < _held.Length; cpu++) _held[cpu] += _throttles[cpu] * (now - until).TotalSeconds;
        _heldUntil = now;
    }

    AdaptivePass EndedPass(in PolicyInput input)
    {
        var (since, written) = _writtenSince!.Value;
        var time = (input.Elapsed - since).TotalSeconds;
        var rates = time > 0 ? input.Written.Zip(written, (now, then) => (now - then) / time).ToArray() : [];
        // By the user's limit, whatever the policy's is, and by the bandwidth that downtimes are judged by.
        var speed = input.EstimatedDowntime is { Ticks: > 0 } estimate ? input.Pending / estimate.TotalSeconds : input.Bandwidth;
        var fits = (long)Math.Min(speed * _bounds.MaxDowntime.TotalSeconds, long.MaxValue / 2);
        return new AdaptivePass(
            input.Pass, input.Elapsed.TotalSeconds, (input.Elapsed - _passBegan!.Value).TotalSeconds, input.Pending, fits, input.Bandwidth, input.Dirtied,
            rates, [.. _held.Select(held => time > 0 ? Math.Clamp(held / time, 0, MostHeld) : 0)], input.AwaitsMeans);
    }

    IEnumerable<PolicyDecision> Do(AdaptiveChoice choice, PolicyInput input)
    {
        PolicyDecision?[] decisions = choice.Act switch
        {
            AdaptiveAct.Brake => [Slow(_adaptive.Brake!, choice.Reason), LimitDowntime(_bounds.MaxDowntime.TotalSeconds * _adaptive.Brake!.Aim, Aims)],
            AdaptiveAct.Release => [Slow(null, choice.Reason), FreeDowntime(choice.Reason)],
            // A limit that was not set by a brake is somebody's who means it.
            AdaptiveAct.SwitchOver => [_adaptive.Brake is null && _downtimeLimit is not null ? null : SwitchOver(input, choice.Reason)],
            AdaptiveAct.GoOver => [GoOver(choice.Reason)],
            _ => [],
        };
        return decisions.OfType<PolicyDecision>();
    }

    const double MostHeld = 99;

    const string Aims = "The pass leaves room for what the guest writes meanwhile; at its end all counts that it may stand still for.";

    /// <summary>The limit is that of the begin again, and goes with the user's.</summary>
    PolicyDecision? FreeDowntime(string reason)
    {
        var before = DowntimeLimit;
        _downtimeLimit = null;
        return DowntimeLimit == before ? null
            : new PolicyDecision(PolicyOrder.None, "DowntimeLimit", Milliseconds(before), Milliseconds(DowntimeLimit), reason);
    }

    PolicyDecision? Slow(AdaptiveBrake? brake, string reason)
    {
        ThrottleSlice = brake is null ? null : TimeSpan.FromSeconds(brake.Slice);
        var before = Percents();
        for (var cpu = 0; cpu < _throttles.Length; cpu++)
            _throttles[cpu] = Math.Min(brake?.Throttles is not { } all ? 0 : all.Length == _throttles.Length ? all[cpu] : brake.Most, _bounds.MaxThrottle);
        var after = Percents();
        return before == after ? null : new PolicyDecision(PolicyOrder.None, "Throttle", before, after, reason);
    }

    string Percents() => Array.TrueForAll(_throttles, one => one == _throttles[0]) ? $"{Throttle} %" : $"{string.Join(", ", _throttles)} %";
}
