using System.Management.Automation;
using PsMigrate.Engine;
using PsMigrate.Engine.Model;

namespace PsMigrate.Running;

/// <summary>
/// A script that is asked about each pass. It runs on the thread of the pipeline, in the session that it was written in and in a scope of its own, as
/// <c>&amp; { }</c> does; what it writes to other streams than the output goes where it always goes. The migration goes on meanwhile.
/// </summary>
sealed class IterationScript(ScriptBlock script)
{
    const string Name = "-OnIteration";

    // The pass that it was asked about last, of each migration.
    readonly Dictionary<int, (int Attempt, int Iteration)> _asked = [];

    /// <summary>
    /// A pass is about to be told: asks about the newest there is, unless it was asked about it, or the time for an answer is over. A script that is
    /// slower than passes has an answer to some of them so. What it throws is a failed answer; what is to end the pipeline, such as Ctrl+C, a break or
    /// an exit, is thrown on.
    /// </summary>
    public void Ask(Migration migration, MigrationIteration told)
    {
        if (told.IsFinal || Number(told).CompareTo(_asked.GetValueOrDefault(migration.Id)) <= 0) return;
        var state = migration.GetState();
        var iteration = Array.FindLast(state.Iterations, one => !one.IsFinal) ?? told;
        _asked[migration.Id] = Number(iteration);
        if (migration.AwaitsAnswer(iteration)) Ask(migration, iteration, state);
    }

    static (int Attempt, int Iteration) Number(MigrationIteration iteration) => (iteration.Attempt, iteration.Iteration);

    void Ask(Migration migration, MigrationIteration iteration, MigrationState state)
    {
        try
        {
            var answers = script.InvokeWithContext(null, [new PSVariable("_", iteration)], iteration, state);
            migration.Answer(iteration, [.. answers.Where(answer => answer is not null).Select(Read)]);
        }
        catch (MigrationException error)
        {
            migration.AnswerFailed(iteration, error.Message);
        }
#pragma warning disable CA1031 // Whatever a script throws, the guest is to get where it belongs.
        catch (Exception error) when (error is not (PipelineStoppedException or FlowControlException))
#pragma warning restore CA1031
        {
            migration.AnswerFailed(iteration, $"{Name} failed: {Reason(error)}");
        }
    }

    // Its own words, without how PowerShell came to throw them.
    static string Reason(Exception error) => (error as RuntimeException)?.ErrorRecord?.Exception?.Message ?? error.Message;

    /// <summary>Throws MigrationException: what else a script lets slip shows that it did not do what was meant, and nothing of the answer counts.</summary>
    static PolicyAction Read(PSObject answer) => answer.BaseObject switch
    {
        PolicyAction action => action,
        string text => PolicyAction.Parse(text, Name),
        var other => throw new MigrationException(MigrationErrorId.InvalidPolicy, MigrationSide.User,
            $"{Name} answers with actions, such as 'SwitchOver' or 'Throttle to 50 %', and not with '{other}' ({other.GetType().Name})."),
    };
}
