using System.Globalization;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>What replays say, in plain words. Pure.</summary>
static class ReplayWords
{
    // Nobody takes it for more than it is.
    const double AsLong = 0.05;
    static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    /// <summary>What happened.</summary>
    public static string Actual(PolicyReplay actual) => actual.End switch
    {
        ReplayEnd.SwitchedOver or ReplayEnd.WentOver => $"It ended after {Time(actual.TotalTime)}, {Cost(actual)}.",
        ReplayEnd.Cancelled => $"It was cancelled after {Time(actual.TotalTime)}.",
        _ => $"It failed after {Time(actual.TotalTime)}.",
    };

    /// <summary>What would have happened, beside it.</summary>
    public static string Answer(PolicyReplay replay, PolicyReplay actual) => replay.End switch
    {
        ReplayEnd.Never => "It would not have ended.",
        ReplayEnd.Unknown => $"Whether it would have ended is not known: it was followed for {Time(replay.TotalTime)}.",
        ReplayEnd.Cancelled => $"It would have been given up after {Time(replay.TotalTime)}.",
        _ when !actual.Converged => $"It would have ended, after {Time(replay.TotalTime)}, {Cost(replay)}.",
        _ => $"It would have ended after {Time(replay.TotalTime)}, {Beside(replay.TotalTime, actual.TotalTime)}, {Cost(replay)}{(actual.Downtime is { } stood ? $" ({Time(stood)} really)" : "")}.",
    };

    /// <summary>What is taken for granted.</summary>
    public static IEnumerable<string> Assumptions(MigrationTrace trace, ReplayOptions options, double? error)
    {
        var recorded = trace.Passes.Sum(pass => pass.Duration.TotalSeconds);
        yield return string.Create(Culture, $"The guest writes as it did in the {recorded:0.0} s that were recorded, but for what a throttle takes from it; after that it does so again from the begin.");
        yield return options.Bandwidth is { } given
            ? $"The link carries {Rate(given)}, as given."
            : $"The link carries {Rate(TraceLink.Bandwidth(trace))}, as it did while pages were sent.";
        if (options.Bandwidth is null && TraceLink.IsUnknownBeyondLimit(trace))
            yield return "What the link carries beyond the limit that it had is not known, for a QEMU does not tell for how long it sent: -Bandwidth says it.";
        if (trace.Source == TraceSource.Qemu)
            yield return "A QEMU tells one number a pass: where in its memory the guest wrote, and how fast within a pass, is not known.";
        foreach (var steered in TraceSteering.Assumptions(trace)) yield return steered;
        if (trace.IsCut) yield return $"Only the first {trace.Passes.Length} passes were kept.";
        if (options.Postcopy) yield return "Of what the guest reads a trace knows nothing: in postcopy it waits for that too.";
        if (error is { } share) yield return string.Create(Culture, $"Replayed under its own policy it takes a time that is {100 * share:0.#} % off from what it took.");
    }

    static string Cost(PolicyReplay one)
    {
        var words = $"with the guest standing for {Time(one.Downtime ?? TimeSpan.Zero)}";
        if (one.Slowdown >= 0.005) words += string.Create(Culture, $" and slowed by {100 * one.Slowdown:0} % on the way");
        if (one.End == ReplayEnd.WentOver && one.StalledTime is { } stalled) words += $" and its vCPUs waiting for memory for {Time(stalled)} in all";
        return words;
    }

    static string Beside(TimeSpan one, TimeSpan actual)
    {
        var ratio = actual.Ticks == 0 ? 1 : one / actual;
        return ratio > 1 + AsLong ? $"{Time(one - actual)} later" : ratio < 1 - AsLong ? $"{Time(actual - one)} sooner" : "as it did";
    }

    static string Time(TimeSpan time) => time.TotalSeconds >= 1 ? string.Create(Culture, $"{time.TotalSeconds:0.0} s") : string.Create(Culture, $"{time.TotalMilliseconds:0.0} ms");

    static string Rate(double bytes) => string.Create(Culture, $"{bytes / (1 << 20):0} MB/s");
}
