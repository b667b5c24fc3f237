using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Qemu;

/// <summary>
/// Which rules of a policy a QEMU goes by itself (auto-converge, dirty-limit), and which this process looks at and has done over QMP. Pure.
/// </summary>
static class DrivenPolicy
{
    /// <summary>The rules that this process looks at; null where there are none. What is only observed QEMU must not do by itself either.</summary>
    public static MigrationPolicy? Own(MigrationParameters parameters)
    {
        if (parameters.EffectivePolicy is not { } policy) return null;
        var own = parameters.ObserveOnly ? policy : policy with { Rules = [.. policy.Rules.Where(rule => !MigrationPolicy.IsQemu(rule))] };
        return own is { Rules.Length: 0, StartDowntime: 1 } ? null : own;
    }

    /// <summary>What QEMU is to do by itself: the capability that has to be on.</summary>
    public static bool Has(MigrationParameters parameters, PolicyActionKind kind) =>
        !parameters.ObserveOnly && parameters.EffectivePolicy?.Has(kind) == true;

    /// <summary>
    /// Whether auto-converge is there to slow the guest down as a policy or a script says, and not by itself. It costs 1 %, so that it needs a rule
    /// for it, or MaxThrottle as the leave.
    /// </summary>
    public static bool Steers(MigrationParameters parameters) =>
        parameters is { ObserveOnly: false, MaxThrottle: not 0 } && parameters.EffectivePolicy?.Rules.Any(MigrationPolicy.IsQemu) != true
        && (parameters.EffectivePolicy?.Has(PolicyActionKind.Throttle) == true || parameters is { OnIterationTimeout: not null, MaxThrottle: not null });

    /// <summary>What the user allows, and what can be done at all: Adaptive has postcopy, and no throttle; and QEMU does not ask before it switches over.</summary>
    public static PolicyBounds Bounds(MigrationParameters parameters) => PolicyBounds.Of(parameters) with { AdaptiveThrottle = 0, HoldsBack = false };

    /// <summary>Throws UnsupportedByGuest for what nobody can have a QEMU do.</summary>
    public static void Check(MigrationParameters parameters, string guest)
    {
        if (parameters.ObserveOnly && parameters is { EffectivePolicy: null, OnIterationTimeout: null })
            throw Unsupported(guest, "without a policy it decides by itself, and there is nothing that -ObserveOnly could record.");
        if (parameters.EffectivePolicy is not { } policy) return;
        if (parameters.AutoConverge && policy.Has(PolicyActionKind.Adaptive))
            throw Unsupported(guest, "Adaptive slows vCPUs down by values of its own, which it does not take: leave out -AutoConverge, or -Policy Adaptive.");
        if (parameters.ObserveOnly && policy.Has(PolicyActionKind.DirtyLimit))
            throw Unsupported(guest, "it does not tell what each vCPU writes: DirtyLimit can't be observed.");
        if (parameters.ObserveOnly) return;
        if (parameters.MaxThrottle == 0 && policy.Has(PolicyActionKind.AutoConverge))
            throw Unsupported(guest, "auto-converge slows it down by 1 % at least, so that MaxThrottle can't be 0 with it: allow more, or leave auto-converge out.");
        if (policy.Has(PolicyActionKind.Throttle) && policy.Rules.Any(MigrationPolicy.IsQemu))
            throw Unsupported(guest, $"it throttles by auto-converge alone, which policy {policy} wants both to decide by itself and to have its values: leave out one of AutoConverge, DirtyLimit and Throttle.");
        if (policy.Rules.Any(rule => MigrationPolicy.IsQemu(rule) && rule.When.Length > 0))
            throw Unsupported(guest, $"AutoConverge and DirtyLimit are switched on before it begins: in policy {policy} they can't have conditions.");
    }

    /// <summary>Throws UnsupportedByGuest for a policy that can't take the place of another one while a migration runs.</summary>
    /// <param name="before">What it goes by.</param>
    /// <param name="after">What it is to go by.</param>
    /// <param name="steers">Whether auto-converge was switched on for values from here.</param>
    /// <param name="guest">The name of the guest.</param>
    public static void CheckChange(MigrationParameters before, MigrationParameters after, bool steers, string guest)
    {
        Check(after, guest);
        foreach (var kind in new[] { PolicyActionKind.AutoConverge, PolicyActionKind.DirtyLimit })
            if (Has(before, kind) != Has(after, kind))
                throw Unsupported(guest, $"{kind} is switched on or off before a migration begins, and not while it runs.");
        if (Steers(after) && !steers && after.EffectivePolicy?.Has(PolicyActionKind.Throttle) == true)
            throw Unsupported(guest, "that it can be throttled has to be said before a migration begins: by a policy with Throttle.");
    }

    static MigrationException Unsupported(string guest, string why) =>
        new(MigrationErrorId.UnsupportedByGuest, MigrationSide.User, $"Guest {guest} is a QEMU's: {why}");
}
