using System.Management.Automation;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>What all cmdlets share: errors of the engine become error records, one per item that failed.</summary>
public abstract class EngineCmdlet : PSCmdlet
{
    /// <summary>How often a waiting cmdlet looks up: soon enough for Ctrl+C, seldom enough to cost nothing.</summary>
    internal static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(50);

    private protected void WriteFailure(MigrationException error, object? target) => WriteError(ErrorRecords.From(error, target));

    private protected void ThrowFailure(MigrationException error, object? target) =>
        ThrowTerminatingError(ErrorRecords.From(error, target));

    /// <summary>Does something with one item; a typed failure is written and the next item goes on.</summary>
    private protected bool Try(object? target, Action action)
    {
        try
        {
            action();
            return true;
        }
        catch (MigrationException error)
        {
            WriteFailure(error, target);
            return false;
        }
    }

    /// <summary>
    /// Does something that may take long on another thread, so that Ctrl+C ends the wait for it; what was asked for stays asked for. False when
    /// it was not waited for. Throws what it throws.
    /// </summary>
    private protected bool Await<T>(Func<T> action, out T? result)
    {
        var answer = Task.Run(action);
        while (!Stopping && !answer.IsCompleted) ((IAsyncResult)answer).AsyncWaitHandle.WaitOne(Tick);
        result = answer.IsCompleted ? answer.GetAwaiter().GetResult() : default;
        return answer.IsCompleted;
    }

    /// <summary>Whether the user named this parameter, on the command line or through the pipeline.</summary>
    private protected bool IsBound(string parameter) => MyInvocation.BoundParameters.ContainsKey(parameter);
}
