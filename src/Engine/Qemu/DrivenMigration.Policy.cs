using System.Text.Json.Nodes;
using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Qemu;

/// <summary>
/// What a policy, and whoever is asked about passes, is told of a migration that QEMU does, and what of their decisions is done over QMP: its
/// downtime-limit, its max-bandwidth, migrate-start-postcopy, migrate_cancel. The thread that follows QEMU looks at each pass and ten times a second.
/// </summary>
sealed partial class DrivenMigration
{
    readonly IterationAnswers _answers = new();
    PolicyEngine? _policy;
    // The one that it goes by, as the user gave it.
    MigrationPolicy? _followed;
    string _policyName = "";
    // Under the lock.
    readonly PolicyLimits _limits = new();
    // What QEMU was told last.
    long? _downtimeSent;
    long? _bandwidthSent;
    int _throttleSent;
    // Whether auto-converge is there for it.
    bool _steers;
    bool _hasThrottled;
    int _judgedPass;

    public bool AwaitsAnswer(MigrationIteration iteration) => _answers.Awaits(iteration.Iteration, _phases.Elapsed);

    public bool Answer(MigrationIteration iteration, PolicyAction[] actions, MigrationException? failure)
    {
        var isInTime = Result is null && _answers.Put(new IterationAnswer(iteration.Iteration, actions, failure), _phases.Elapsed);
        _wake.Set();
        return isInTime;
    }

    /// <summary>What QEMU gets before it begins: limits of the policy in place of the user's, which are never below them.</summary>
    MigrationParameters ToBeginWith()
    {
        BeginPolicy();
        lock (_lock)
        {
            var limits = _parameters with { MaxDowntime = _limits.Downtime(_parameters), MaxBandwidth = _limits.Bandwidth(_parameters) };
            (_downtimeSent, _bandwidthSent) = (EndSettings.Milliseconds(limits.MaxDowntime), limits.MaxBandwidth);
            _steers = DrivenPolicy.Steers(limits);
            return limits;
        }
    }

    /// <summary>At the begin, and when the user wants another one, which begins anew.</summary>
    void BeginPolicy()
    {
        MigrationParameters parameters;
        lock (_lock) parameters = _parameters;
        _followed = parameters.Policy;
        var own = DrivenPolicy.Own(parameters);
        if (own is null && parameters.OnIterationTimeout is null && _policy is null) return;
        own ??= BuiltInPolicies.Qemu;
        _policyName = own.Name;
        _policy = new PolicyEngine(own, _guest.ProcessorCount, DrivenPolicy.Bounds(parameters));
        _policy.Begin(_phases.Elapsed, _ram.Transferred);
        if (own.StartDowntime < 1)
            Tell(new PolicyDecision(PolicyOrder.None, "DowntimeLimit", PolicyEngine.Milliseconds(parameters.MaxDowntime), PolicyEngine.Milliseconds(_policy.DowntimeLimit),
                "The policy begins with a share of MaxDowntime."), _policyName, parameters);
        lock (_lock) _limits.Begin();
        TakeLimits(parameters);
    }

    /// <summary>One look, after QEMU was asked. Nothing is decided any more once it goes over, or ends.</summary>
    void AskPolicy()
    {
        MigrationParameters parameters;
        PolicyInput input;
        lock (_lock)
        {
            if (_status != MigrationStatus.Active || _completeRequested || _isPostcopyAsked || _isCancelRequested || _error is not null) return;
            parameters = _parameters;
            var isPassEnd = _pass > 1 && _judgedPass < _pass;
            if (isPassEnd) _limits.EndPass();
            (input, _judgedPass) = (Figures(isPassEnd, parameters), _pass);
        }
        if (!ReferenceEquals(parameters.Policy, _followed)) BeginPolicy();
        if (_policy is null) return;
        foreach (var decision in _policy.Decide(input, DrivenPolicy.Bounds(parameters)))
        {
            Tell(decision, _policyName, parameters);
            if (!parameters.ObserveOnly) Obey(decision, $"Policy {_policyName}", isPassEnd: true);
        }
        HeedAnswers(input, parameters);
        TakeLimits(parameters);
        SendLimits(parameters);
    }

    /// <summary>As QEMU says them; it has a dirty rate only of more than a second, and until then that of the pass counts. The caller holds the lock.</summary>
    PolicyInput Figures(bool isPassEnd, MigrationParameters parameters)
    {
        var (bandwidth, remaining) = (double.IsFinite(_ram.Mbps) ? Math.Max(0, _ram.Mbps * BytesPerMegabit) : 0, Math.Max(0, _ram.Remaining));
        var isKnown = _pass > 1;
        return new PolicyInput(
            _phases.Elapsed, isPassEnd ? _pass - 1 : _pass, isPassEnd, remaining,
            !isKnown ? null : _ram.DirtyPagesRate > 0 ? (double)_ram.DirtyPagesRate * PageSize : _passDirtyRate, bandwidth,
            SwitchoverRule.Threshold(bandwidth, parameters.SwitchoverBandwidth, _limits.Downtime(parameters)),
            isKnown ? SwitchoverRule.EstimatedDowntime(remaining, bandwidth, parameters.SwitchoverBandwidth) : null,
            isPassEnd ? _passDirtied : 0, _ram.Transferred, [])
        { GuestThrottle = _steers ? null : (int)Math.Clamp(_info.CpuThrottlePercentage ?? 0, 0, 100) };
    }

    void HeedAnswers(in PolicyInput input, MigrationParameters parameters)
    {
        foreach (var answer in _answers.Take(_phases.Elapsed))
        {
            if (PolicyTrail.NoAnswer(answer, _phases.Elapsed) is { } none) _journal.Decide(none);
            var able = parameters.ObserveOnly || _steers ? answer.Actions : answer.Actions.Where(action => action.Kind != PolicyActionKind.Throttle).ToArray();
            if (able.Length < answer.Actions.Length)
                Tell(new PolicyDecision(PolicyOrder.None, "Throttle", "asked for", "refused",
                    $"{PolicyTrail.ReasonOf(answer)} A QEMU's guest can be slowed down so only where -MaxThrottle was given before it began, and not beside auto-converge."), MigrationDecision.OnIteration, parameters);
            foreach (var decision in _policy!.Obey(able, PolicyTrail.ReasonOf(answer), input, DrivenPolicy.Bounds(parameters)))
            {
                Tell(decision, MigrationDecision.OnIteration, parameters);
                if (!parameters.ObserveOnly) Obey(decision, $"-{MigrationDecision.OnIteration}", input.IsPassEnd);
            }
        }
    }

    void Obey(PolicyDecision decision, string who, bool isPassEnd)
    {
        switch (decision.Order)
        {
            case PolicyOrder.SwitchOver:
                lock (_lock) _limits.SwitchOver(isPassEnd);
                break;
            case PolicyOrder.SwitchToPostcopy:
                GoOverFor($"{who}: {decision.Reason.TrimEnd('.')}");
                break;
            case PolicyOrder.Cancel:
                Cancel(wait: false);
                break;
        }
    }

    void GoOverFor(string because)
    {
        try
        {
            SwitchToPostcopy(because);
        }
        catch (MigrationException refusal) when (refusal.Id == MigrationErrorId.InvalidState)
        {
            Decide("Mode", "precopy", "refused", refusal.Message);
        }
    }

    void TakeLimits(MigrationParameters parameters)
    {
        lock (_lock) _limits.Take(_policy!, parameters);
    }

    /// <summary>What differs from what QEMU was told. A refusal is told, and the migration goes on; a lost connection is made anew by whoever asks next.</summary>
    void SendLimits(MigrationParameters parameters)
    {
        if (parameters.ObserveOnly) return;
        lock (_settingsLock)
        {
            // Complete-Migration has said how long it may stand.
            if (!_hasSettings || _completeRequested) return;
            var arguments = new JsonObject();
            long downtime, bandwidth;
            lock (_lock) (downtime, bandwidth) = (EndSettings.Milliseconds(_limits.Downtime(_parameters)), _limits.Bandwidth(_parameters));
            if (downtime != _downtimeSent) arguments["downtime-limit"] = downtime;
            if (bandwidth != _bandwidthSent) arguments["max-bandwidth"] = bandwidth;
            var throttle = _steers ? _policy!.Throttle : 0;
            if (throttle != _throttleSent) ThrottleSteering.Add(throttle, _hasThrottled, arguments);
            if (arguments.Count == 0) return;
            try
            {
                Set(arguments);
            }
            catch (MigrationException refusal)
            {
                if (refusal.Id != MigrationErrorId.QemuRefused) return;
                Decide("Settings of QEMU", "by the policy", "refused", refusal.Message);
            }
            (_downtimeSent, _bandwidthSent, _throttleSent, _hasThrottled) = (downtime, bandwidth, throttle, _hasThrottled || throttle > 0);
        }
    }

    void Tell(PolicyDecision decision, string policy, MigrationParameters parameters) =>
        _journal.Decide(PolicyTrail.Of(decision, policy, _phases.Elapsed, parameters));
}
