namespace PsMigrate.Bench.Report;

/// <summary>One answer: ours beside a peer's in the same run.</summary>
/// <param name="Work">What was done.</param>
/// <param name="Peer">What it is compared with.</param>
/// <param name="Ratio">How much better ours is: 2 is twice as fast, whatever the unit.</param>
/// <param name="Target">What the ratio should be; null where none is set.</param>
/// <param name="Met">Whether it is; null without a target.</param>
/// <param name="N">Runs of each side.</param>
/// <param name="Unit">The unit of both series.</param>
/// <param name="Ours">Our figures.</param>
/// <param name="Theirs">The peer's.</param>
/// <param name="Machine">Where.</param>
/// <param name="Date">When.</param>
/// <param name="Load">The machine's load average at the end: figures of one that others used too are worth less.</param>
sealed record Row(
    string Work, string Peer, double Ratio, double? Target, bool? Met, int N, string Unit, Series Ours, Series Theirs, string Machine, string Date,
    string Load)
{
    /// <summary>A row in which more is better.</summary>
    public static Row OfRates(string work, string peer, string unit, IReadOnlyCollection<double> ours, IReadOnlyCollection<double> theirs, double? target) =>
        Of(work, peer, unit, ours, theirs, target, (mine, other) => mine / other);

    /// <summary>A row in which less is better.</summary>
    public static Row OfTimes(string work, string peer, string unit, IReadOnlyCollection<double> ours, IReadOnlyCollection<double> theirs, double? target) =>
        Of(work, peer, unit, ours, theirs, target, (mine, other) => other / mine);

    static Row Of(
        string work, string peer, string unit, IReadOnlyCollection<double> ours, IReadOnlyCollection<double> theirs, double? target,
        Func<double, double, double> compare)
    {
        var (mine, other) = (Series.Of(ours), Series.Of(theirs));
        var ratio = Math.Round(compare(mine.Median, other.Median), 3);
        return new Row(work, peer, ratio, target, target is { } aim ? ratio >= aim : null, ours.Count, unit, mine, other, Host.Text, Host.Today, Host.Load());
    }
}
