using System.Text.Json.Serialization;

namespace PsMigrate.Bench.Report;

/// <summary>One answer: ours beside a peer's in the same run.</summary>
/// <param name="Work">What was done.</param>
/// <param name="Peer">What it is compared with.</param>
/// <param name="Ratio">Of the medians; of pairs the median of their ratios. With sense ≥ how much better ours is: 2 is twice as fast, whatever the unit. With sense ≤ ours divided by the peer's.</param>
/// <param name="Target">What the ratio should be; null where none is set.</param>
/// <param name="Met">Whether it is; null without a target.</param>
/// <param name="N">Runs of each side.</param>
/// <param name="Unit">The unit of both series.</param>
/// <param name="Ours">Our figures.</param>
/// <param name="Theirs">The peer's; null where the target is a figure of its own.</param>
/// <param name="Machine">Where.</param>
/// <param name="Date">When.</param>
/// <param name="Load">The machine's load average at the end: figures of one that others used too are worth less.</param>
sealed record Row(
    string Work, string Peer, double Ratio, double? Target, bool? Met, int N, string Unit, Series Ours, Series? Theirs, string Machine, string Date,
    string Load)
{
    /// <summary>A ratio that should be no less than its target.</summary>
    public const string AtLeast = "≥";

    /// <summary>A ratio that should be no more than its target.</summary>
    public const string AtMost = "≤";

    /// <summary><see cref="AtLeast"/> or <see cref="AtMost"/>.</summary>
    public string Sense { get; init; } = AtLeast;

    /// <summary>The line of the target table that it answers, from 1; null for what is not in it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Line { get; init; }

    /// <summary>The file beside the target table that it is written to; null is that of the table, or of all others.</summary>
    [JsonIgnore]
    public string? Subject { get; init; }

    /// <summary>Further figures, and where the time went.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Note { get; init; }

    /// <summary>A row in which more is better: ours divided by theirs, at least the target.</summary>
    public static Row OfRates(string work, string peer, string unit, IReadOnlyCollection<double> ours, IReadOnlyCollection<double> theirs, double? target) =>
        Of(work, peer, unit, ours, theirs, target, (mine, other) => mine / other);

    /// <summary>A row in which more is better, of runs that were made in pairs: the median of ours divided by theirs, pair by pair.</summary>
    public static Row OfPairs(string work, string peer, string unit, IReadOnlyCollection<(double Ours, double Theirs)> pairs, double target)
    {
        var row = OfRates(work, peer, unit, [.. pairs.Select(pair => pair.Ours)], [.. pairs.Select(pair => pair.Theirs)], target);
        var ratio = Math.Round(Series.Of([.. pairs.Select(pair => pair.Ours / pair.Theirs)]).Median, 3);
        return row with { Ratio = ratio, Met = ratio >= target };
    }

    /// <summary>A row without a peer, in which more is better: which share of so many times it was so.</summary>
    public static Row OfShare(string work, int held, int times, double target) =>
        OfRates(work, "–", "share", [(double)held / times], [1.0], target) with { N = times, Theirs = null };

    /// <summary>A row in which less is better: theirs divided by ours, at least the target.</summary>
    public static Row OfTimes(string work, string peer, string unit, IReadOnlyCollection<double> ours, IReadOnlyCollection<double> theirs, double? target) =>
        Of(work, peer, unit, ours, theirs, target, (mine, other) => other / mine);

    /// <summary>A row in which less is better: ours divided by theirs, at most the target.</summary>
    public static Row OfShares(string work, string peer, string unit, IReadOnlyCollection<double> ours, IReadOnlyCollection<double> theirs, double target)
    {
        var row = OfRates(work, peer, unit, ours, theirs, target);
        return row with { Sense = AtMost, Met = row.Ratio <= target };
    }

    /// <summary>A row without a peer, in which less is better: our figure, at most the target.</summary>
    public static Row OfFigures(string work, string unit, IReadOnlyCollection<double> ours, double target)
    {
        var row = OfRates(work, "–", unit, ours, [1.0], target);
        return row with { Ratio = Math.Round(row.Ours.Median, 5), Theirs = null, Sense = AtMost, Met = row.Ours.Median <= target };
    }

    static Row Of(
        string work, string peer, string unit, IReadOnlyCollection<double> ours, IReadOnlyCollection<double> theirs, double? target,
        Func<double, double, double> compare)
    {
        var (mine, other) = (Series.Of(ours), Series.Of(theirs));
        var ratio = Math.Round(compare(mine.Median, other.Median), 3);
        return new Row(work, peer, ratio, target, target is { } aim ? ratio >= aim : null, ours.Count, unit, mine, other, Host.Text, Host.Today, Host.Load());
    }
}
