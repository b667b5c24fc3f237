using System.Management.Automation;
using PsMigrate.Engine;

namespace PsMigrate.Jobs;

/// <summary>A job of Start-VmMigration -AsJob: one migration, or the parent of several.</summary>
public abstract class MigrationJob : Job
{
    private protected MigrationJob(string command, string? name)
        : base(command, name)
    {
        PSJobTypeName = "Migration";
        // Receive-Job takes what is there; only Receive-Job -Wait waits, and it does so by the job's state.
        Output.EnumeratorNeverBlocks = true;
        Error.EnumeratorNeverBlocks = true;
        Warning.EnumeratorNeverBlocks = true;
        Verbose.EnumeratorNeverBlocks = true;
        Progress.EnumeratorNeverBlocks = true;
    }

    /// <summary>The migrations that it has begun so far.</summary>
    public abstract IReadOnlyList<Migration> Migrations { get; }

    internal bool IsOver => JobStateInfo.State is JobState.Completed or JobState.Failed or JobState.Stopped;
}
