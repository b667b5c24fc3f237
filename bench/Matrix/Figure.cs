using System.Text.Json.Serialization;
using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Matrix;

/// <summary>A figure of the matrix.</summary>
/// <param name="What">What it is of.</param>
/// <param name="Value">The figure; null where there was nothing to compare, or it failed.</param>
/// <param name="Target">What it should be; null where none is set.</param>
/// <param name="Met">Whether it is; what could not be compared is not. Null without a target.</param>
/// <param name="N">Of how many migrations.</param>
sealed record Figure(string What, double? Value, double? Target, bool? Met, int N)
{
    /// <summary>≥ or ≤: what the target is.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Sense { get; init; }

    /// <summary>Where.</summary>
    public string Machine { get; init; } = Host.Text;

    /// <summary>When it was measured: a day, or from one to another.</summary>
    public string Date { get; init; } = Host.Today;

    /// <summary>One that should be so much at least.</summary>
    public static Figure AtLeast(string what, double? value, double target, int n) => new(what, Round(value), target, value >= target, n) { Sense = Row.AtLeast };

    /// <summary>One that should be so much at most.</summary>
    public static Figure AtMost(string what, double? value, double target, int n) => new(what, Round(value), target, value <= target, n) { Sense = Row.AtMost };

    /// <summary>One that is reported as it is.</summary>
    public static Figure Plain(string what, double? value, int n) => new(what, Round(value), null, null, n);

    static double? Round(double? value) => value is { } known && double.IsFinite(known) ? Math.Round(known, 4) : null;
}
