using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>What somebody decides who is asked about passes: the same actions, within the same bounds, on the same levers.</summary>
sealed partial class PolicyEngine
{
    /// <summary>With which limit the policy that the user wants begins.</summary>
    public static TimeSpan LimitAtBegin(MigrationParameters parameters) =>
        new PolicyEngine(parameters.EffectivePolicy ?? BuiltInPolicies.Qemu, processors: 0, PolicyBounds.Of(parameters)).DowntimeLimit;

    /// <summary>
    /// Does some actions now, in their order. What would change nothing is not told. SwitchOver is for the end of the pass that is on its way, or
    /// has just ended: whether what is left then fits MaxDowntime is seen there.
    /// </summary>
    public IReadOnlyList<PolicyDecision> Obey(IEnumerable<PolicyAction> actions, string reason, in PolicyInput input, PolicyBounds bounds)
    {
        _bounds = bounds;
        var decisions = new List<PolicyDecision>();
        foreach (var action in actions)
            if (Obey(action, reason, input) is { } decision) decisions.Add(decision);
        return decisions;
    }

    PolicyDecision? Obey(PolicyAction action, string reason, in PolicyInput input) => action.Kind switch
    {
        PolicyActionKind.Throttle => ThrottleAll((int)Math.Round(Math.Clamp(action.Apply(Throttle), 0, _bounds.MaxThrottle)), reason),
        PolicyActionKind.DowntimeLimit => LimitDowntime(action.Apply(LimitToChange), reason),
        PolicyActionKind.Bandwidth => LimitBandwidth(action, input, reason),
        // Without a limit below MaxDowntime that happens by itself.
        PolicyActionKind.SwitchOver => DowntimeLimit == _bounds.MaxDowntime ? null
            : new PolicyDecision(PolicyOrder.SwitchOver, "Switch over", PolicyText.Format($"{input.Pending} bytes left"), "at the end of this pass", reason),
        PolicyActionKind.SwitchToPostcopy => GoOver(reason),
        PolicyActionKind.Cancel => new PolicyDecision(PolicyOrder.Cancel, "Cancel", "running", "cancelled", reason),
        _ => new PolicyDecision(PolicyOrder.None, action.Kind.ToString(), "asked for", "refused", $"{reason} It is a rule for the whole way: -Policy and -AutoConverge have it."),
    };
}
