using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>What <see cref="AdaptiveRule"/> looks at, and what is set as it says.</summary>
sealed partial class PolicyEngine
{
    AdaptiveState _adaptive = AdaptiveState.Begin;
    TimeSpan? _passBegan;
    (TimeSpan At, long[] Written)? _writtenSince;

    /// <summary>How long a vCPU that is held back runs between two sleeps; null is as long as QEMU lets it.</summary>
    public TimeSpan? ThrottleSlice { get; private set; }

    IEnumerable<PolicyDecision> LookForAdaptive(PolicyRule rule, PolicyInput input)
    {
        _passBegan ??= input.Elapsed;
        _writtenSince ??= (input.Elapsed, input.Written);
        if (!input.IsPassEnd) return [];
        var pass = EndedPass(input);
        (_passBegan, _writtenSince) = (input.Elapsed, (input.Elapsed, input.Written));
        if (!IsMet(rule, input)) return [];
        (_adaptive, var choice) = AdaptiveRule.Decide(_adaptive, pass, AdaptiveBounds.Of(_bounds));
        return Do(choice, input);
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
            rates, input.AwaitsMeans);
    }

    IEnumerable<PolicyDecision> Do(AdaptiveChoice choice, PolicyInput input)
    {
        PolicyDecision?[] decisions = choice.Act switch
        {
            AdaptiveAct.Brake => [Slow(_adaptive.Brake!, choice.Reason), LimitDowntime(_bounds.MaxDowntime.TotalSeconds * _adaptive.Brake!.Aim, Aims)],
            AdaptiveAct.Release => [Slow(null, choice.Reason), LimitDowntime(_bounds.MaxDowntime.TotalSeconds, choice.Reason)],
            AdaptiveAct.SwitchOver => [SwitchOver(input, choice.Reason)],
            AdaptiveAct.GoOver => [GoOver(choice.Reason)],
            _ => [],
        };
        return decisions.OfType<PolicyDecision>();
    }

    const string Aims = "The pass leaves room for what the guest writes meanwhile; at its end all counts that it may stand still for.";

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
