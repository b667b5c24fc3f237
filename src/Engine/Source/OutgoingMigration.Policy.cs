using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Source;

/// <summary>What the policy is told, and what of its decisions is done. It is asked at the end of each pass, and in each window.</summary>
sealed partial class OutgoingMigration
{
    PolicyEngine? _policy;
    // The one that it goes by, as the user gave it.
    MigrationPolicy? _followed;
    // For the threads that show it, too: under the lock.
    readonly PolicyLimits _limits = new();
    string _policyName = "";
    double _passSpeed;
    volatile string? _postcopyBecause;

    /// <summary>How long the guest may stand still by the policy; never longer than the user allows.</summary>
    TimeSpan DowntimeLimit
    {
        get { lock (_lock) return _limits.Downtime(_parameters); }
    }

    /// <summary>What may be sent, bytes/s; 0 is no limit. Never more than the user allows.</summary>
    long BandwidthLimit
    {
        get { lock (_lock) return _limits.Bandwidth(_parameters); }
    }

    /// <summary>3: the first pass is about to begin. Later on, the user wants another policy: it begins anew.</summary>
    void BeginPolicy()
    {
        var parameters = Parameters;
        _followed = parameters.Policy;
        if (parameters.OwnPolicy is null && parameters.OnIterationTimeout is null && _policy is null) return;
        var (policy, throttle) = (parameters.OwnPolicy ?? BuiltInPolicies.Qemu, _policy?.Throttle ?? 0);
        _policyName = policy.Name;
        _policy = new PolicyEngine(policy, _guest.Cpus.Count, PolicyBounds.Of(parameters));
        _policy.Begin(_phases.Elapsed, SentBytes);
        if (policy.StartDowntime < 1)
            Tell("DowntimeLimit", Milliseconds(parameters.MaxDowntime), Milliseconds(_policy.DowntimeLimit), "The policy begins with a share of MaxDowntime.", parameters);
        if (throttle > 0) Tell("Throttle", $"{throttle} %", "0 %", "The policy is another one, and begins anew.", parameters);
        lock (_lock) _limits.Begin();
        ApplyPolicy(parameters);
    }

    void FollowAnother()
    {
        if (!ReferenceEquals(Parameters.Policy, _followed)) BeginPolicy();
    }

    /// <summary>5.1: a pass has ended, and so much is left. Throws when the policy cancels.</summary>
    void AskPolicyAfterPass(long pending)
    {
        FollowAnother();
        if (_policy is null) return;
        lock (_lock) _limits.EndPass();
        AskPolicy(_pass - 1, isPassEnd: true, pending, _estimate);
        ThrowIfStopped();
    }

    /// <summary>7: in between.</summary>
    void AskPolicyInWindow()
    {
        FollowAnother();
        if (_policy is null) return;
        var pending = _ram.PendingEstimate;
        var estimate = _dirtyRate is null ? null : SwitchoverRule.EstimatedDowntime(pending, Carried, Parameters.SwitchoverBandwidth);
        AskPolicy(_pass, isPassEnd: false, pending, estimate);
    }

    /// <summary>
    /// How fast pages went in the pass that ends, bytes/s; 0 where most went whole, or too few: then the bandwidth says it. In the first pass there are pages that nobody ever wrote.
    /// </summary>
    double PassSpeed(TimeSpan took)
    {
        var (pages, bytes) = ((SentPages - _passPages) * (double)GuestMemory.PageSize, SentBytes - _passBytes);
        return _pass > 1 && pages >= FewestConfirmed * GuestMemory.PageSize && bytes < MostOfSmall * pages ? pages / Math.Max(took.TotalSeconds, 0.001) : 0;
    }

    // Of their size what pages take that go as a few bytes.
    const double MostOfSmall = 0.5;

    void AskPolicy(int pass, bool isPassEnd, long pending, TimeSpan? estimate)
    {
        var parameters = Parameters;
        var input = new PolicyInput(
            _phases.Elapsed, pass, isPassEnd, pending, _dirtyRate, Carried, Threshold(), estimate, _dirtyFound * GuestMemory.PageSize, SentBytes,
            [.. _guest.Ticks.Select(ticks => ticks * GuestMemory.PageSize)])
        {
            AwaitsMeans = AwaitsMeans, PageSpeed = PageSpeed, NeverSent = NeverSent, IsTrial = IsTrial && parameters.Xbzrle, GuestStands = _guest.State != GuestState.Running,
        };
        foreach (var decision in _policy!.Decide(input, PolicyBounds.Of(parameters)))
        {
            Tell(decision.What, decision.From, decision.To, decision.Reason, parameters);
            if (!parameters.ObserveOnly) Obey(decision, $"Policy {_policyName}", isPassEnd: true);
        }
        HeedAnswers(input, parameters);
        ApplyPolicy(parameters);
    }

    void Obey(PolicyDecision decision, string who, bool isPassEnd)
    {
        switch (decision.Order)
        {
            case PolicyOrder.SwitchOver:
                lock (_lock) _limits.SwitchOver(isPassEnd);
                break;
            case PolicyOrder.SwitchToPostcopy:
                _postcopyBecause = $"{who}: {decision.Reason}";
                break;
            case PolicyOrder.Cancel:
                Cancel(wait: false);
                break;
        }
    }

    void ApplyPolicy(MigrationParameters parameters)
    {
        if (parameters.ObserveOnly) return;
        lock (_lock) _limits.Take(_policy!, parameters);
        for (var cpu = 0; cpu < _policy!.Throttles.Count; cpu++) _guest.ThrottleForMigration(cpu, _policy.Throttles[cpu], _policy.ThrottleSlice);
    }

    void Tell(string what, string from, string to, string reason, MigrationParameters parameters) =>
        _journal.Decide(new MigrationDecision(_phases.Elapsed, what, from, to, reason) { Policy = _policyName, IsObserved = parameters.ObserveOnly });

    static string Milliseconds(TimeSpan time) => FormattableString.Invariant($"{time.TotalMilliseconds:0.#} ms");
}
