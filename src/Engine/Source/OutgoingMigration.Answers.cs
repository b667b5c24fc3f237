using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Source;

/// <summary>Somebody outside is asked about each pass. The sending thread never waits: it takes what has come when it looks at the policy, after that one's rules.</summary>
sealed partial class OutgoingMigration
{
    readonly IterationAnswers _answers = new();

    public bool AwaitsAnswer(MigrationIteration iteration) => _answers.Awaits(iteration.Iteration, _phases.Elapsed);

    public bool Answer(MigrationIteration iteration, PolicyAction[] actions, MigrationException? failure) =>
        Result is null && _answers.Put(new IterationAnswer(iteration.Iteration, actions, failure), _phases.Elapsed);

    /// <summary>A pass ends; before it can be seen. The caller holds the lock.</summary>
    void AskAboutPass()
    {
        if (_parameters.OnIterationTimeout is { } time) _answers.Ask(Math.Max(1, _pass), _phases.Elapsed + time);
    }

    void HeedAnswers(in PolicyInput input, MigrationParameters parameters)
    {
        foreach (var answer in _answers.Take(_phases.Elapsed))
        {
            if (PolicyTrail.NoAnswer(answer, _phases.Elapsed) is { } none) _journal.Decide(none);
            foreach (var decision in _policy!.Obey(answer.Actions, PolicyTrail.ReasonOf(answer), input, PolicyBounds.Of(parameters)))
            {
                _journal.Decide(PolicyTrail.Of(decision, MigrationDecision.OnIteration, _phases.Elapsed, parameters));
                if (!parameters.ObserveOnly) Obey(decision, $"-{MigrationDecision.OnIteration}", input.IsPassEnd);
            }
        }
    }
}
