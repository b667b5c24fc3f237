using System.Diagnostics;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Matrix;

/// <summary>The same guests under each built-in policy, and the guest of BASELINES by our defaults and by QEMU's auto-converge.</summary>
sealed class PolicyPart : IMatrixPart
{
    // Whatever ends later counts as one that does not: there are many that never do.
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(25);
    static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(400);

    // Whole phases of those that have some.
    static readonly TimeSpan Before = TimeSpan.FromMilliseconds(800);
    const string Defaults = "defaults";
    const string AutoConverge = "QEMU's auto-converge";

    readonly OutcomeLines<PolicyOutcome> _lines = new("policies", PolicyOutcome.NameOf);
    Dictionary<string, PolicyOutcome> _known = [];

    public string Name => "policies";

    public string Text => $"guests in memory over tcp under each policy, each cut off after {Limit.TotalSeconds} s";

    public IEnumerable<Figure> Run(MatrixOptions options)
    {
        var outcomes = new List<PolicyOutcome>();
        _known = options.IsAnew ? [] : _lines.Read();
        using var pair = new MatrixPair();
        foreach (var scenario in options.Choose(Scenarios.Policies))
            foreach (var policy in MigrationPolicy.BuiltIn)
                outcomes.Add(Ask(pair, scenario, policy.Name, scenario.Parameters with { Policy = policy }, Limit));
        var figures = new List<Figure>(new PolicySummary(outcomes).Of());
        foreach (var scenario in options.Choose([Scenarios.Baseline])) figures.AddRange(AskBaseline(pair, scenario));
        return figures;
    }

    /// <summary>QEMU's way has no means of ours, either.</summary>
    IEnumerable<Figure> AskBaseline(MatrixPair pair, Scenario scenario)
    {
        var ours = Ask(pair, scenario, Defaults, scenario.Parameters with { Policy = null }, MatrixOptions.Limit);
        var theirs = Ask(pair, scenario, AutoConverge, scenario.Parameters with { Means = MigrationMeans.Qemu, AutoConverge = true }, MatrixOptions.Limit);
        yield return Figure.AtMost("the guest that QEMU never finishes: total time of our defaults by that of auto-converge", ours.Ended ? ours.Total / theirs.Total : null, 1.0 / 3, 1);
        yield return Figure.AtMost("the guest that QEMU never finishes: downtime by its limit", ours.Downtime / ours.MaxDowntime, 1, 1);
        yield return Figure.Plain("the guest that QEMU never finishes: slowed down by our defaults, share of its writes", ours.Slowdown, 1);
        yield return Figure.Plain("the guest that QEMU never finishes: slowed down by auto-converge, share of its writes", theirs.Slowdown, 1);
    }

    PolicyOutcome Ask(MatrixPair pair, Scenario scenario, string policy, MigrationParameters parameters, TimeSpan limit)
    {
        if (!_known.TryGetValue($"{scenario} | {policy}", out var outcome)) _lines.Add(outcome = Migrate(pair, scenario, policy, parameters, limit));
        Show(outcome);
        return outcome;
    }

    static PolicyOutcome Migrate(MatrixPair pair, Scenario scenario, string policy, MigrationParameters parameters, TimeSpan limit)
    {
        using var loaded = new LoadedGuest(scenario);
        // It settles, and then it is seen what it writes.
        Thread.Sleep(Settle);
        var (wrote, clock) = (loaded.Written, Stopwatch.StartNew());
        Thread.Sleep(Before);
        var before = (loaded.Written - wrote) / clock.Elapsed.TotalSeconds;
        wrote = loaded.Written;
        var (state, during) = pair.MigrateCounted(loaded, parameters, limit);
        var result = state.Result!;
        var ended = result.State == MigrationStatus.Completed;
        return new PolicyOutcome
        {
            Scenario = scenario.ToString(), Policy = policy, Ended = ended, Total = result.TotalTime.TotalSeconds, Downtime = result.Downtime.TotalSeconds,
            MaxDowntime = result.MaxDowntime.TotalSeconds, Bytes = result.TransferredBytes,
            Throttled = result.ThrottledTime.DefaultIfEmpty(TimeSpan.Zero).Max().TotalSeconds,
            MostThrottle = state.Iterations.Select(pass => pass.ThrottlePercent).DefaultIfEmpty(0).Max(),
            WroteBefore = before, WroteDuring = (during - wrote) / Math.Max(0.001, (result.TotalTime - result.Downtime).TotalSeconds),
            Did = [.. state.Decisions.Select(decision => decision.What).Distinct()], MachineLoad = Report.Host.Load(),
        };
    }

    static void Show(PolicyOutcome one) => Console.WriteLine(FormattableString.Invariant(
        $"  {one.Scenario}, {one.Policy}: {(one.Ended ? "ended" : "did not end")}, {one.Total:0.00} s, downtime {1000 * one.Downtime:0.0} of {1000 * one.MaxDowntime:0} ms, {one.Bytes >> 20} MiB, throttle {one.MostThrottle} %, slower by {100 * one.Slowdown:0} %"));
}
