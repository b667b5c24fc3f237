using System.Diagnostics;
using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Engine;
using PsMigrate.Engine.Model;
using PsMigrate.Running;

namespace PsMigrate.Commands;

/// <summary>Waits until migrations have ended, and gives the state of each as it ends up.</summary>
[Cmdlet(VerbsLifecycle.Wait, "Migration", DefaultParameterSetName = ById)]
[OutputType(typeof(MigrationState))]
public sealed class WaitMigrationCommand : MigrationActionCmdlet
{
    readonly Stopwatch _clock = Stopwatch.StartNew();

    /// <summary>How long to wait.</summary>
    [Parameter(HelpMessage = "How long to wait, for all of them together: a TimeSpan, text such as 30s or 5m, or a number of seconds. "
        + "Without end by default. The migrations go on when it is over.")]
    [Duration(BareNumber.Seconds)]
    [Alias("TimeoutSeconds", "TimeoutSec")]
    public TimeSpan? Timeout { get; set; }

    private protected override void Process(Migration migration)
    {
        var wasPaused = false;
        while (!Stopping)
        {
            var isPaused = migration.Status == MigrationStatus.PostcopyPaused;
            if (isPaused && !wasPaused) WriteWarning(MigrationReport.Paused(migration.GetState()));
            wasPaused = isPaused;
            var left = Timeout - _clock.Elapsed;
            if (migration.Wait(left is { } most && most < Tick ? Max(most, TimeSpan.Zero) : Tick))
            {
                WriteObject(migration.GetState());
                return;
            }
            if (left > TimeSpan.Zero || left is null) continue;
            var state = migration.GetState();
            WriteFailure(new MigrationException(MigrationErrorId.Timeout, MigrationSide.User,
                $"Migration {migration.Id} of guest {migration.Name} to {migration.Destination} had not ended after "
                + $"{Figures.Time(Timeout!.Value)}: it is {state.State}, "
                + $"pass {state.Current.Iteration}, {Figures.Size(state.Current.RemainingBytes)} left. It goes on."), state);
            return;
        }
    }

    static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;
}
