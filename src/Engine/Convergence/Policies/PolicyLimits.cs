using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>
/// What a policy, or whoever is asked about passes, has set of a migration's limits. They hold within those that the user allows, and never beyond.
/// It belongs to whoever holds the migration's lock.
/// </summary>
sealed class PolicyLimits
{
    // Null where the policy says nothing, or is only observed.
    TimeSpan? _downtime;
    long? _bandwidth;
    bool _mayUseMaxDowntime;
    bool _mayUseItAtPassEnd;

    /// <summary>How long the guest may stand still.</summary>
    public TimeSpan Downtime(MigrationParameters allowed) => Least(_downtime, allowed);

    /// <summary>The same once the user's limits have become others.</summary>
    public TimeSpan DowntimeAfter(MigrationParameters before, MigrationParameters after) => Least(OwnAfter(before, after), after);

    /// <summary>What may be sent, bytes/s; 0 is no limit.</summary>
    public long Bandwidth(MigrationParameters allowed) =>
        _bandwidth is not { } own ? allowed.MaxBandwidth : allowed.MaxBandwidth == 0 ? own : Math.Min(own, allowed.MaxBandwidth);

    /// <summary>Takes what the policy says by now.</summary>
    public void Take(PolicyEngine policy, MigrationParameters allowed)
    {
        if (allowed.ObserveOnly) return;
        (_downtime, _bandwidth) = (policy.DowntimeLimit, policy.Bandwidth == allowed.MaxBandwidth ? null : policy.Bandwidth);
    }

    /// <summary>The user's limits became others. Another policy begins at the next look only; until then a longer MaxDowntime must not count by itself.</summary>
    public void Change(MigrationParameters before, MigrationParameters after) => _downtime = OwnAfter(before, after);

    /// <summary>
    /// What the user allows counts until the next pass ends; where that was decided within a pass, until the one after it does.
    /// </summary>
    public void SwitchOver(bool isPassEnd) => (_mayUseMaxDowntime, _mayUseItAtPassEnd) = (true, !isPassEnd);

    /// <summary>A pass has ended.</summary>
    public void EndPass() => (_mayUseMaxDowntime, _mayUseItAtPassEnd) = (_mayUseItAtPassEnd, false);

    /// <summary>Another policy decides, and who decided on a switch-over is asked no more.</summary>
    public void Begin() => (_mayUseMaxDowntime, _mayUseItAtPassEnd) = (false, false);

    TimeSpan Least(TimeSpan? own, MigrationParameters allowed) =>
        own is { } limit && limit < allowed.MaxDowntime && !_mayUseMaxDowntime ? limit : allowed.MaxDowntime;

    TimeSpan? OwnAfter(MigrationParameters before, MigrationParameters after) =>
        ReferenceEquals(before.Policy, after.Policy) ? _downtime : after.ObserveOnly ? null : PolicyEngine.LimitAtBegin(after);
}
