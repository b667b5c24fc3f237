using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>What happened, and beside it what would have under each of some policies, with words for it. Pure.</summary>
static class ReplayComparison
{
    /// <summary>One row after the other, what happened first. Throws NothingToReplay, InvalidParameter, InvalidPolicy before the first.</summary>
    public static IEnumerable<PolicyReplay> Of(MigrationTrace trace, IReadOnlyList<MigrationPolicy> policies, ReplayOptions options)
    {
        Replayer.Check(trace, options);
        if (options.Bandwidth is { } given && !(given > 0 && given <= TraceFields.Most))
            throw MigrationException.Invalid($"A link that carries {given} bytes per second carries no guest.");
        (string Name, MigrationParameters Parameters)[] asked = [.. Asked(trace, policies, options)];
        return Rows(trace, asked, options);
    }

    static IEnumerable<(string Name, MigrationParameters Parameters)> Asked(MigrationTrace trace, IReadOnlyList<MigrationPolicy> policies, ReplayOptions options)
    {
        // Going over is what its own mode asked for; a policy is compared without it.
        var plain = trace.Parameters with { Mode = MigrationMode.Precopy };
        foreach (var policy in policies) yield return (policy.Name, Replayer.With(plain, policy, options).Validate());
        if (options.Postcopy)
            yield return ("Postcopy", (Replayer.With(plain, BuiltInPolicies.Qemu, options) with { Mode = MigrationMode.Hybrid, PostcopyAfter = 1 }).Validate());
    }

    static IEnumerable<PolicyReplay> Rows(MigrationTrace trace, (string Name, MigrationParameters Parameters)[] asked, ReplayOptions options)
    {
        var error = ModelError(trace);
        string[] assumptions = [.. ReplayWords.Assumptions(trace, options, error)];
        var actual = Actual(trace) with { ModelError = error, Assumptions = assumptions };
        yield return actual with { Answer = ReplayWords.Actual(actual) };
        foreach (var (name, parameters) in asked)
        {
            var replay = Replayer.Replay(trace, parameters, options, name);
            yield return replay with { Answer = ReplayWords.Answer(replay, actual), ModelError = error, Assumptions = assumptions };
        }
    }

    /// <summary>What happened, as it was recorded.</summary>
    public static PolicyReplay Actual(MigrationTrace trace)
    {
        var outcome = trace.Outcome;
        var precopy = trace.Passes.Sum(pass => pass.Duration.TotalSeconds);
        var isThrough = outcome.State == MigrationStatus.Completed;
        return new PolicyReplay
        {
            Name = trace.Name, Policy = (trace.Parameters.Policy ?? BuiltInPolicies.Qemu).Name, IsActual = true,
            End = !isThrough ? (outcome.State == MigrationStatus.Cancelled ? ReplayEnd.Cancelled : ReplayEnd.Failed) : outcome.WentOver ? ReplayEnd.WentOver : ReplayEnd.SwitchedOver,
            TotalTime = outcome.TotalTime, Downtime = isThrough ? outcome.Downtime : null, TransferredBytes = outcome.TransferredBytes,
            Passes = [.. trace.Passes.Select(pass => new ForecastPass(pass.Number, pass.Duration, pass.Bytes, pass.RemainingBytes))],
            ThrottledTime = outcome.ThrottledTime, StalledTime = outcome.StalledTime,
            Slowdown = outcome.ThrottledTime.Length == 0 || precopy <= 0 ? 0 : Math.Clamp(outcome.ThrottledTime.Average(time => time.TotalSeconds) / precopy, 0, 1),
            Decisions = trace.Decisions, Answer = "",
        };
    }

    /// <summary>Replayed as it was recorded; null where one of the two did not come to an end by itself, so that nothing can be compared.</summary>
    static double? ModelError(MigrationTrace trace)
    {
        if (trace.IsCut || trace.Outcome is not { State: MigrationStatus.Completed, TotalTime.Ticks: > 0 }) return null;
        // What a script or a user decided on the way, no replay does; nor does it go over because somebody came and said so.
        if (TraceSteering.IsSteered(trace)) return null;
        var goesOver = trace.Parameters.Mode != MigrationMode.Precopy || trace.Parameters.OnTimeout == TimeoutAction.Postcopy
            || trace.Parameters.Policy?.Has(PolicyActionKind.SwitchToPostcopy) == true;
        if (trace.Outcome.WentOver && !goesOver) return null;
        var own = Replayer.Replay(trace, trace.Parameters, new ReplayOptions { Bandwidth = Math.Max(1, TraceLink.Bandwidth(trace)) }, "");
        return own.End == ReplayEnd.Unknown ? null : Math.Abs((own.TotalTime / trace.Outcome.TotalTime) - 1);
    }
}
