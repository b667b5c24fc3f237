namespace PsMigrate.Bench.Matrix;

/// <summary>Policies in figures: each for itself, and ours against the others.</summary>
/// <param name="outcomes">Of all policies with the same scenarios.</param>
/// <param name="name">Ours among them.</param>
sealed class PolicySummary(IReadOnlyCollection<PolicyOutcome> outcomes, string name)
{
    /// <summary>What the others are compared with.</summary>
    public const string Ours = "Adaptive";

    const string AutoConverge = "AutoConverge";

    public IEnumerable<Figure> Of()
    {
        foreach (var policy in outcomes.GroupBy(one => one.Policy))
            foreach (var figure in Of(policy.Key, [.. policy])) yield return figure;
        foreach (var figure in Compare()) yield return figure;
    }

    /// <summary>Ours alone, and against the others.</summary>
    public IEnumerable<Figure> OfOurs() => [.. Of(name, [.. outcomes.Where(one => one.Policy == name)]), .. Compare()];

    static IEnumerable<Figure> Of(string policy, PolicyOutcome[] all)
    {
        var (about, ended) = ($"policy {policy}", all.Where(one => one.Ended).ToArray());
        yield return Figure.Plain($"{about}: converged, share", Statistics.Share(all, one => one.Ended), all.Length);
        yield return Figure.Plain($"{about}: downtime within the limit where it converged, share", Statistics.Share(ended, one => one.KeptItsLimit), ended.Length);
        yield return Figure.Plain($"{about}: total time where it converged, median, s", Statistics.Median(ended.Select(one => one.Total)), ended.Length);
        yield return Figure.Plain($"{about}: downtime where it converged, median, ms", Statistics.Median(ended.Select(one => 1000 * one.Downtime)), ended.Length);
        yield return Figure.Plain($"{about}: sent, all together, MiB", all.Sum(one => one.Bytes / (double)(1 << 20)), all.Length);
        yield return Figure.Plain($"{about}: guest slowed down, share of its writes, mean", Mean(all, one => one.Slowdown), all.Length);
        yield return Figure.Plain($"{about}: guest held back, share of its time, mean", Mean(all, one => one.ThrottledShare), all.Length);
    }

    IEnumerable<Figure> Compare()
    {
        var scenarios = outcomes.GroupBy(one => one.Scenario).ToArray();
        var possible = scenarios.Where(one => one.Any(policy => policy.Ended)).Select(Mine).ToArray();
        var ended = possible.Where(one => one.Ended).ToArray();
        yield return Figure.AtLeast($"{name}: converges where any policy does, share", Statistics.Share(possible, one => one.Ended), 1, possible.Length);
        yield return Figure.AtLeast($"{name}: within the user's limits where it converged, share", Statistics.Share(ended, one => one.KeptItsLimit), 1, ended.Length);
        var throttled = scenarios.Select(one => (Ours: Mine(one), Theirs: one.FirstOrDefault(policy => policy.Policy == AutoConverge)))
            .Where(pair => pair.Theirs is { MostThrottle: > 0 }).ToArray();
        var about = $"{name} where AutoConverge throttles";
        yield return Figure.AtMost($"{about}: misses, which did not end where that did", throttled.Count(pair => pair.Theirs!.Ended && !pair.Ours.Ended), 0, throttled.Length);
        // Times of what was cut off say nothing.
        var both = throttled.Where(pair => pair.Theirs!.Ended && pair.Ours.Ended).ToArray();
        yield return Figure.AtMost($"{about} and both end: total time by its, geometric mean",
            Statistics.GeometricMean([.. both.Select(pair => pair.Ours.Total / pair.Theirs!.Total)]), 0.7, both.Length);
        yield return Figure.AtMost($"{about} and both end: time held back by its, all together",
            By(both.Sum(pair => pair.Ours.Held), both.Sum(pair => pair.Theirs!.Held)), 0.5, both.Length);
        yield return Figure.AtMost($"{about} and both end: lost writes by its, all together",
            By(both.Sum(pair => pair.Ours.LostWrites), both.Sum(pair => pair.Theirs!.LostWrites)), 0.5, both.Length);
    }

    PolicyOutcome Mine(IEnumerable<PolicyOutcome> all) => all.First(one => one.Policy == name);

    static double? By(double ours, double theirs) => theirs > 0 ? ours / theirs : null;

    static double? Mean(PolicyOutcome[] all, Func<PolicyOutcome, double> of) => all.Length == 0 ? null : all.Average(of);
}
