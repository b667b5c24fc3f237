using System.Management.Automation;
using PsMigrate.Engine;

namespace PsMigrate.Jobs;

/// <summary>The parent of the jobs of several migrations. Failed when one failed; Stopped when none failed and one was cancelled.</summary>
public sealed class MigrationJobGroup : MigrationJob
{
    readonly Lock _lock = new();

    internal MigrationJobGroup(string command)
        : base(command, null) => SetJobState(JobState.Running);

    /// <inheritdoc/>
    public override IReadOnlyList<Migration> Migrations => [.. Children.SelectMany(child => child.Migrations)];

    /// <inheritdoc/>
    public override string Location => string.Join(",", Children.Select(child => child.Location).Distinct());

    /// <inheritdoc/>
    public override string StatusMessage
    {
        get
        {
            var ended = Children.Count(child => child.IsOver);
            return $"{ended} of {ChildJobs.Count} ended, {Children.Count(child => !child.IsOver && child.Migrations.Count > 0)} running";
        }
    }

    /// <inheritdoc/>
    public override bool HasMoreData => Children.Any(child => child.HasMoreData);

    IEnumerable<GuestMigrationJob> Children => ChildJobs.OfType<GuestMigrationJob>();

    /// <summary>Stops all children, the last first: those that wait for their turn must not get it by the end of another.</summary>
    public override void StopJob()
    {
        foreach (var child in Children.Reverse()) child.RequestStop();
        foreach (var child in Children) child.StopJob();
    }

    /// <summary>Takes the children, none of which has begun. They are made after their parent, so that its number is the lower.</summary>
    internal void Adopt(IEnumerable<GuestMigrationJob> children)
    {
        foreach (var child in children) ChildJobs.Add(child);
        foreach (var child in ChildJobs) child.StateChanged += (_, _) => Update();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            StopJob();
            foreach (var child in Children) child.Dispose();
        }
        base.Dispose(disposing);
    }

    void Update()
    {
        lock (_lock)
        {
            if (IsOver || !Children.All(child => child.IsOver)) return;
            SetJobState(Children.Any(child => child.JobStateInfo.State == JobState.Failed) ? JobState.Failed
                : Children.Any(child => child.JobStateInfo.State == JobState.Stopped) ? JobState.Stopped : JobState.Completed);
        }
    }
}
