namespace PsMigrate.Engine.Model;

/// <summary>What a rule can look at. A figure that is not known yet meets no condition.</summary>
public enum PolicyFigure
{
    /// <summary>Which pass it is, from 1.</summary>
    Pass,

    /// <summary>Since the start, seconds.</summary>
    Elapsed,

    /// <summary>How fast the guest dirties distinct pages, bytes/s; known from the end of the first pass on.</summary>
    DirtyRate,

    /// <summary>What the link carries, bytes/s.</summary>
    Bandwidth,

    /// <summary>The first by the second.</summary>
    DirtyRatio,

    /// <summary>What is left to send, bytes.</summary>
    Pending,

    /// <summary>By what may be left at the switch-over.</summary>
    PendingRatio,

    /// <summary>How long the guest would stand still now, seconds; known from the end of the first pass on.</summary>
    EstimatedDowntime,

    /// <summary>How long it may, by the policy; never more than MaxDowntime. Seconds.</summary>
    DowntimeLimit,

    /// <summary>For how many passes in a row as much was left as after the best one before, or more: less than 5 % below it is no progress.</summary>
    StalledPasses,

    /// <summary>What is left, by the least that was after any pass so far, this one included: 1 is a minimum.</summary>
    PendingToLeast,

    /// <summary>How much the policy has slowed the guest's vCPUs down, percent.</summary>
    Throttle,
}

/// <summary>How a figure is compared.</summary>
public enum PolicyComparison
{
    /// <summary>Below.</summary>
    LessThan,

    /// <summary>Below, or the same.</summary>
    AtMost,

    /// <summary>Above, or the same.</summary>
    AtLeast,

    /// <summary>Above.</summary>
    GreaterThan,
}

/// <summary>One condition of a rule, such as <c>StalledPasses &gt;= 3</c> or <c>Elapsed &gt; 30 s</c>.</summary>
/// <param name="Figure">What is looked at.</param>
/// <param name="Comparison">How it is compared.</param>
/// <param name="Value">With what, in the figure's unit: bytes, bytes/s, seconds, percent or a plain number.</param>
public sealed record PolicyCondition(PolicyFigure Figure, PolicyComparison Comparison, double Value)
{
    /// <summary>From text: a figure, one of &lt; &lt;= &gt;= &gt;, and a number with or without a unit. Throws InvalidPolicy.</summary>
    public static PolicyCondition Parse(string text) => PolicyText.ParseCondition(text, "when");

    /// <summary>Whether a value meets it.</summary>
    public bool IsMetBy(double value) => Comparison switch
    {
        PolicyComparison.LessThan => value < Value,
        PolicyComparison.AtMost => value <= Value,
        PolicyComparison.AtLeast => value >= Value,
        _ => value > Value,
    };

    internal void Check(string place)
    {
        if (!Enum.IsDefined(Figure) || !Enum.IsDefined(Comparison)) throw PolicyText.Invalid(place, "there is no such figure or comparison.");
        if (!double.IsFinite(Value) || Value < 0) throw PolicyText.Invalid(place, "a figure is compared with a number of 0 or more.");
    }

    /// <summary>The text that gives it.</summary>
    public override string ToString() => $"{Figure} {PolicyText.Sign(Comparison)} {PolicyText.Amount(Value, PolicyText.UnitOf(Figure))}";
}
