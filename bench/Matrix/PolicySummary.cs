namespace PsMigrate.Bench.Matrix;

/// <summary>Policies in figures: each for itself, and ours against the others.</summary>
/// <param name="outcomes">Of all policies with the same scenarios.</param>
sealed class PolicySummary(IReadOnlyCollection<PolicyOutcome> outcomes)
{
    const string Ours = "Adaptive";
    const string AutoConverge = "AutoConverge";

    // A guest that is not slowed down at all is taken for one that is by so much, which nobody can tell apart.
    const double LeastSlowdown = 0.01;

    public IEnumerable<Figure> Of()
    {
        foreach (var policy in outcomes.GroupBy(one => one.Policy))
            foreach (var figure in Of(policy.Key, [.. policy])) yield return figure;
        if (!outcomes.Any(one => one.Policy == Ours)) yield break;
        foreach (var figure in Compare()) yield return figure;
    }

    static IEnumerable<Figure> Of(string policy, PolicyOutcome[] all)
    {
        var (about, ended) = ($"policy {policy}", all.Where(one => one.Ended).ToArray());
        yield return Figure.Plain($"{about}: converged, share", Statistics.Share(all, one => one.Ended), all.Length);
        yield return Figure.Plain($"{about}: downtime within the limit, share", Statistics.Share(all, one => one.KeptItsLimit), all.Length);
        yield return Figure.Plain($"{about}: total time where it converged, median, s", Statistics.Median(ended.Select(one => one.Total)), ended.Length);
        yield return Figure.Plain($"{about}: downtime where it converged, median, ms", Statistics.Median(ended.Select(one => 1000 * one.Downtime)), ended.Length);
        yield return Figure.Plain($"{about}: sent, all together, MiB", all.Sum(one => one.Bytes / (double)(1 << 20)), all.Length);
        yield return Figure.Plain($"{about}: guest slowed down, share of its writes, mean", all.Average(one => one.Slowdown), all.Length);
        yield return Figure.Plain($"{about}: guest held back, share of its time, mean", all.Average(one => one.ThrottledShare), all.Length);
    }

    IEnumerable<Figure> Compare()
    {
        var scenarios = outcomes.GroupBy(one => one.Scenario).Where(one => one.Any(policy => policy.Policy == Ours)).ToArray();
        var ours = scenarios.Select(one => one.First(policy => policy.Policy == Ours)).ToArray();
        var possible = scenarios.Where(one => one.Any(policy => policy.Ended)).ToArray();
        yield return Figure.AtLeast("Adaptive: converges where any policy does, share",
            Statistics.Share(possible, one => one.First(policy => policy.Policy == Ours).Ended), 1, possible.Length);
        yield return Figure.AtLeast("Adaptive: within the user's limits, share", Statistics.Share(ours, one => one.KeptItsLimit), 1, ours.Length);
        var throttled = scenarios.Select(one => (Ours: one.First(policy => policy.Policy == Ours), Theirs: one.FirstOrDefault(policy => policy.Policy == AutoConverge)))
            .Where(pair => pair.Theirs is { MostThrottle: > 0 }).ToArray();
        yield return Figure.AtMost("Adaptive where AutoConverge throttles: total time by its, geometric mean",
            Statistics.GeometricMean([.. throttled.Select(pair => pair.Ours.Total / pair.Theirs!.Total)]), 0.7, throttled.Length);
        yield return Figure.AtMost("Adaptive where AutoConverge throttles: guest slowdown by its, geometric mean",
            Statistics.GeometricMean([.. throttled.Select(pair => Slowdown(pair.Ours) / Slowdown(pair.Theirs!))]), 0.5, throttled.Length);
    }

    static double Slowdown(PolicyOutcome one) => Math.Max(LeastSlowdown, one.Slowdown);
}
