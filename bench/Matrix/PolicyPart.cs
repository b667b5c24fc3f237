using System.Diagnostics;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Matrix;

/// <summary>
/// The same guests under each built-in policy, with leave to slow them down; those that have further means also with leave to go over; and the guest of BASELINES by our defaults and by
/// QEMU's auto-converge.
/// </summary>
sealed class PolicyPart : IMatrixPart
{
    // Whatever ends later counts as one that does not: there are many that never do.
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(25);
    static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(400);

    // Whole phases of those that have some.
    static readonly TimeSpan Before = TimeSpan.FromMilliseconds(800);
    const string Defaults = "defaults";
    const string AutoConverge = "QEMU's auto-converge";
    const string Postcopy = " with -Postcopy";
    const string Baseline = "the guest that QEMU never finishes";

    readonly OutcomeLines<PolicyOutcome> _lines = new("policies", revision: 2, PolicyOutcome.NameOf);
    bool _isAnew;

    public string Name => "policies";

    public string Text => $"guests in memory over tcp under each policy, each cut off after {Limit.TotalSeconds} s";

    public IEnumerable<Figure> Run(MatrixOptions options)
    {
        _isAnew = options.IsAnew;
        using var pair = new MatrixPair();
        var (outcomes, over) = (new List<PolicyOutcome>(), new List<PolicyOutcome>());
        foreach (var scenario in options.Choose(Scenarios.Policies))
        {
            var all = MigrationPolicy.BuiltIn.Select(policy => Ask(pair, scenario, policy.Name, scenario.WithLeave with { Policy = policy }, Limit)).ToArray();
            outcomes.AddRange(all);
            // No other of them goes over: they are the same with that leave.
            var adaptive = MigrationPolicy.Find(PolicySummary.Ours);
            over.Add(Ask(pair, scenario, adaptive.Name + Postcopy, scenario.WithLeave with { Policy = adaptive, Postcopy = true }, Limit));
            over.AddRange(all.Where(one => one.Policy != PolicySummary.Ours));
        }
        var figures = new List<Figure>([.. new PolicySummary(outcomes, PolicySummary.Ours).Of(), .. new PolicySummary(over, PolicySummary.Ours + Postcopy).OfOurs()]);
        foreach (var scenario in options.Choose([Scenarios.Baseline])) figures.AddRange(AskBaseline(pair, scenario));
        return figures.Select(figure => figure with { Date = _lines.Period });
    }

    /// <summary>QEMU's way has no means of ours, either.</summary>
    IEnumerable<Figure> AskBaseline(MatrixPair pair, Scenario scenario)
    {
        var ours = Ask(pair, scenario, Defaults, scenario.Parameters with { Policy = null }, MatrixOptions.Limit);
        var theirs = Ask(pair, scenario, AutoConverge, scenario.Parameters with { Means = MigrationMeans.Qemu, AutoConverge = true }, MatrixOptions.Limit);
        yield return Figure.AtMost($"{Baseline}: total time of our defaults by that of auto-converge", ours.Ended ? ours.Total / theirs.Total : null, 1.0 / 3, 1);
        yield return Figure.AtMost($"{Baseline}: downtime by its limit", ours.Ended ? ours.Downtime / ours.MaxDowntime : null, 1, 1);
        yield return Figure.Plain($"{Baseline}: slowed down by our defaults, share of its writes", ours.Slowdown, 1);
        yield return Figure.Plain($"{Baseline}: slowed down by auto-converge, share of its writes", theirs.Slowdown, 1);
    }

    PolicyOutcome Ask(MatrixPair pair, Scenario scenario, string policy, MigrationParameters parameters, TimeSpan limit)
    {
        var outcome = _isAnew ? null : _lines.Find($"{scenario} | {policy}", parameters);
        if (outcome is null) _lines.Add(outcome = Migrate(pair, scenario, policy, parameters, limit), parameters);
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
        var ranHere = RanHere(state, result);
        return new PolicyOutcome
        {
            Scenario = scenario.ToString(), Policy = policy, Ended = ended, Total = result.TotalTime.TotalSeconds, Downtime = result.Downtime.TotalSeconds,
            MaxDowntime = result.MaxDowntime.TotalSeconds, Bytes = result.TransferredBytes,
            Throttled = result.ThrottledTime.DefaultIfEmpty(TimeSpan.Zero).Max().TotalSeconds,
            MostThrottle = state.Iterations.Select(pass => pass.ThrottlePercent).DefaultIfEmpty(0).Max(),
            WroteBefore = before, WroteDuring = (during - wrote) / ranHere, RanHere = ranHere,
            Blocked = result.Postcopy?.BlockedTimes.DefaultIfEmpty(TimeSpan.Zero).Max().TotalSeconds ?? 0,
            Did = [.. state.Decisions.Select(decision => decision.What).Distinct()], MachineLoad = Report.Host.Load(),
        };
    }

    /// <summary>Seconds that it ran at the source: all but the downtime, or the passes before it went over.</summary>
    static double RanHere(MigrationState state, MigrationResult result)
    {
        var before = state.Iterations.Where(pass => !pass.IsFinal).Aggregate(result.SetupTime, (sum, pass) => sum + pass.Duration);
        return Math.Max(0.001, (result.Postcopy is null ? result.TotalTime - result.Downtime : before).TotalSeconds);
    }

    static void Show(PolicyOutcome one) => Console.WriteLine(FormattableString.Invariant(
        $"  {one.Scenario}, {one.Policy}: {(one.Ended ? "ended" : "did not end")}, {one.Total:0.00} s, downtime {1000 * one.Downtime:0.0} of {1000 * one.MaxDowntime:0} ms, {one.Bytes >> 20} MiB, throttle {one.MostThrottle} %, slower by {100 * one.Slowdown:0} %, held {one.Held:0.00} s"));
}
