using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>How decisions of a policy, and of whoever is asked about passes, stand in the trail. Pure.</summary>
static class PolicyTrail
{
    const string WasChanged = "Set-Migration was called.";

    /// <summary>How the reason of a switch-over begins that somebody asked for.</summary>
    public const string WasCompleted = "Complete-Migration was called";

    public static MigrationDecision Of(PolicyDecision decision, string policy, TimeSpan now, MigrationParameters parameters) =>
        new(now, decision.What, decision.From, decision.To, decision.Reason) { Policy = policy, IsObserved = parameters.ObserveOnly };

    public static string ReasonOf(IterationAnswer answer) => PolicyText.Format($"The answer to pass {answer.Iteration}.");

    /// <summary>A pass without an answer: a warning, with its stable identifier, or that it was left out; null where there is one.</summary>
    public static MigrationDecision? NoAnswer(IterationAnswer answer, TimeSpan now)
    {
        var pass = PolicyText.Format($"pass {answer.Iteration}");
        if (answer.IsPassedOver)
            return new(now, MigrationDecision.OnIteration, pass, "left out", "A later pass had ended before there was time for it: answers take longer than passes.")
            { Policy = MigrationDecision.OnIteration };
        return answer.Failure is not { } failure ? null : new(now, MigrationDecision.OnIteration, pass, "no answer", failure.Message)
        {
            IsWarning = true, Policy = MigrationDecision.OnIteration, Error = failure.Id,
        };
    }

    /// <summary>What the user changed meanwhile.</summary>
    public static IEnumerable<MigrationDecision> Changes(MigrationParameters before, MigrationParameters after, TimeSpan now) =>
        MigrationLimits.Changes(before, after).Select(one => new MigrationDecision(now, one.What, one.From, one.To, WasChanged));

    /// <summary>Whether it is one of <see cref="Changes"/>.</summary>
    public static bool IsChange(MigrationDecision decision) => decision.Reason == WasChanged;

    /// <summary>Whether somebody had it switch over.</summary>
    public static bool IsCompletion(MigrationDecision decision) => decision.Reason.StartsWith(WasCompleted, StringComparison.Ordinal);
}
