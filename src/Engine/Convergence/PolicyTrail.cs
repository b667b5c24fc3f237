using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>How decisions of a policy, and of whoever is asked about passes, stand in the trail. Pure.</summary>
static class PolicyTrail
{
    public static MigrationDecision Of(PolicyDecision decision, string policy, TimeSpan now, MigrationParameters parameters) =>
        new(now, decision.What, decision.From, decision.To, decision.Reason) { Policy = policy, IsObserved = parameters.ObserveOnly };

    public static string ReasonOf(IterationAnswer answer) => PolicyText.Format($"The answer to pass {answer.Iteration}.");

    /// <summary>A pass without an answer: a warning, with its stable identifier.</summary>
    public static MigrationDecision NoAnswer(IterationAnswer answer, TimeSpan now) =>
        new(now, MigrationDecision.OnIteration, PolicyText.Format($"pass {answer.Iteration}"), "no answer", answer.Failure!.Message)
        { IsWarning = true, Policy = MigrationDecision.OnIteration, Error = answer.Failure.Id };

    /// <summary>What the user changed meanwhile.</summary>
    public static IEnumerable<MigrationDecision> Changes(MigrationParameters before, MigrationParameters after, TimeSpan now) =>
        MigrationLimits.Changes(before, after).Select(one => new MigrationDecision(now, one.What, one.From, one.To, "Set-Migration was called."));
}
