namespace PsMigrate.Engine.Model;

/// <summary>What a rule can do. Nothing else can be done by a policy, and nothing beyond what the user allowed.</summary>
public enum PolicyActionKind
{
    /// <summary>Slow all vCPUs down, percent of their time, 0 to MaxThrottle.</summary>
    Throttle,

    /// <summary>How long the guest may stand still, up to MaxDowntime.</summary>
    DowntimeLimit,

    /// <summary>What the link may carry, bytes/s, up to MaxBandwidth.</summary>
    Bandwidth,

    /// <summary>QEMU's auto-converge: when and by how much to slow the vCPUs down, by the throttle parameters of the migration.</summary>
    AutoConverge,

    /// <summary>QEMU's dirty-limit: each vCPU that writes faster than VcpuDirtyLimit is slowed down by itself.</summary>
    DirtyLimit,

    /// <summary>
    /// Whatever of the throttle of each vCPU, the downtime limit and postcopy the user permits, where a migration does not come to its end by
    /// itself: computed from what its passes left, and for as short as possible.
    /// </summary>
    Adaptive,

    /// <summary>Switch over at the end of this pass, if what is left fits MaxDowntime.</summary>
    SwitchOver,

    /// <summary>Let the guest go over before its memory. Only where Postcopy is allowed.</summary>
    SwitchToPostcopy,

    /// <summary>Cancel; the guest stays.</summary>
    Cancel,
}

/// <summary>How an action changes what it changes.</summary>
public enum PolicyChange
{
    /// <summary>It changes nothing by a number.</summary>
    None,

    /// <summary>To a value.</summary>
    To,

    /// <summary>By so much: added.</summary>
    By,

    /// <summary>Times so much.</summary>
    Times,
}

/// <summary>What a rule does, such as <c>Throttle by 10 %</c>, <c>DowntimeLimit times 2</c> or <c>SwitchOver</c>.</summary>
/// <param name="Kind">What.</param>
/// <param name="Change">How.</param>
/// <param name="Amount">How much: percent, seconds, bytes/s, or a factor.</param>
public sealed record PolicyAction(PolicyActionKind Kind, PolicyChange Change = PolicyChange.None, double Amount = 0)
{
    /// <summary>From text. Throws InvalidPolicy.</summary>
    /// <param name="text">The words.</param>
    /// <param name="place">Where they stand, for the message: a place in a policy, or a parameter.</param>
    public static PolicyAction Parse(string text, string place = "then") => PolicyText.ParseAction(text, place);

    /// <summary>Whether it comes with a number.</summary>
    internal static bool HasAmount(PolicyActionKind kind) =>
        kind is PolicyActionKind.Throttle or PolicyActionKind.DowntimeLimit or PolicyActionKind.Bandwidth;

    /// <summary>The value after it.</summary>
    internal double Apply(double before) => Change switch
    {
        PolicyChange.To => Amount,
        PolicyChange.By => before + Amount,
        PolicyChange.Times => before * Amount,
        _ => before,
    };

    internal void Check(string place)
    {
        if (!Enum.IsDefined(Kind) || !Enum.IsDefined(Change)) throw PolicyText.Invalid(place, "there is no such action.");
        if (HasAmount(Kind) != (Change != PolicyChange.None))
            throw PolicyText.Invalid(place, HasAmount(Kind) ? $"{Kind} needs to, by or times, and a number." : $"{Kind} comes without a number.");
        if (!double.IsFinite(Amount)) throw PolicyText.Invalid(place, "the number is too large.");
        if (Change is PolicyChange.To or PolicyChange.Times && Amount < 0) throw PolicyText.Invalid(place, $"{Kind} can't be set to or multiplied by less than 0.");
        if (Kind == PolicyActionKind.Throttle && Change == PolicyChange.To && Amount > 99) throw PolicyText.Invalid(place, "a throttle is 0 to 99 percent.");
        if (Kind == PolicyActionKind.Bandwidth && Change != PolicyChange.By && Amount == 0) throw PolicyText.Invalid(place, "a migration without bandwidth would never end.");
    }

    /// <summary>The text that gives it.</summary>
    public override string ToString() => Change == PolicyChange.None
        ? Kind.ToString()
        : $"{Kind} {Change.ToString().ToLowerInvariant()} {PolicyText.Amount(Amount, Change == PolicyChange.Times ? PolicyUnit.Number : PolicyText.UnitOf(Kind))}";
}
