using System.Globalization;
using System.Management.Automation;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Running;

/// <summary>What is said of a migration besides its records: progress, the line of a job, warnings.</summary>
static class MigrationReport
{
    // Activities of other commands count from 0.
    const int FirstActivity = 20_000;

    /// <summary>The activity of a drain, the parent of the migrations' own.</summary>
    public const int DrainActivity = FirstActivity;

    /// <summary>The progress bar of one migration.</summary>
    public static ProgressRecord Progress(MigrationState state, bool isPartOfDrain, bool isOver = false)
    {
        var current = state.Current;
        return new ProgressRecord(FirstActivity + state.Id, $"{state.Name} to {state.Destination}", Line(state))
        {
            CurrentOperation = $"{Figures.Size(current.RemainingBytes)} left, link {Figures.Rate(current.Bandwidth)}, "
                + $"guest dirties {Figures.Rate(current.DirtyRate)}"
                + (state.Bottleneck == MigrationBottleneck.None ? "" : $"; {state.Bottleneck}"),
            PercentComplete = state.PercentComplete ?? -1,
            SecondsRemaining = state.RemainingTime is { } time ? (int)Math.Min(Math.Ceiling(time.TotalSeconds), int.MaxValue) : -1,
            ParentActivityId = isPartOfDrain ? DrainActivity : -1,
            RecordType = isOver ? ProgressRecordType.Completed : ProgressRecordType.Processing,
        };
    }

    /// <summary>One line: phase, pass, how far, how long still.</summary>
    public static string Line(MigrationState state)
    {
        if (state.Result is { } result) return result.ToString();
        var culture = CultureInfo.InvariantCulture;
        var percent = state.PercentComplete is { } share ? string.Create(culture, $", {share} %")
            : state.State is MigrationStatus.Active or MigrationStatus.PostcopyActive ? ", no estimate" : "";
        // Whole seconds: an estimate is no better than that.
        var rest = state.RemainingTime is { } time
            ? $", about {Figures.Time(TimeSpan.FromSeconds(Math.Ceiling(time.TotalSeconds)))} left" : "";
        return string.Create(culture, $"{state.PhaseNumber} {state.Phase}, pass {state.Current.Iteration}{percent}{rest}");
    }

    /// <summary>What the user should hear although the migration did not fail, or beyond that it failed.</summary>
    public static IEnumerable<string> Warnings(MigrationResult result)
    {
        var who = $"Migration {result.Id} of guest {result.Name} to {result.Destination}";
        if (result.State == MigrationStatus.Cancelled && result.Error is null)
            yield return $"{who} was cancelled; {ErrorRecords.Whereabouts(result.Location)}.";
        if (result.Location == GuestLocation.RamOnly)
            yield return $"{who}: {ErrorRecords.Whereabouts(result.Location)}."
                + (result.LeftOut.Length == 0 ? ""
                    : $" Not sent, since the other end would have refused it: {string.Join(", ", result.LeftOut)}.");
        if (result.Location == GuestLocation.InDoubt)
            yield return $"{who}: {ErrorRecords.Whereabouts(result.Location)}. Look there first; Resume-MigrationGuest settles it.";
        // What the user asked for on top is no broken promise: the time for the digests, and the wait for leave to switch over.
        var parts = result.DowntimeParts;
        var owed = parts.Total - parts.Verify - parts.Waiting;
        if (result.State == MigrationStatus.Completed && owed > result.MaxDowntime)
            yield return $"{who}: the guest stood still for {Figures.Time(parts.Total)}"
                + (owed == parts.Total ? "" : $", {Figures.Time(owed)} of it without what was asked for on top")
                + $", longer than the {Figures.Time(result.MaxDowntime)} allowed ({parts}).";
    }

    /// <summary>A postcopy whose link broke, and what to do.</summary>
    public static string Paused(MigrationState state) =>
        $"Migration {state.Id} of guest {state.Name} to {state.Destination} is paused in postcopy: the link is broken, and the guest waits at the "
        + "destination wherever it needs memory that is still here. "
        + (state.Parameters.Retries == 0 ? "" : $"It goes on by itself, up to {Figures.Count(state.Parameters.Retries, "time")} in all, unless it was paused on purpose. ")
        + $"Resume-Migration -Id {state.Id} goes on.";

    /// <summary>A guest that was given up in postcopy, and nobody at its destination has said that it stands.</summary>
    public static string MayStillRun(Guest guest) =>
        $"Guest {guest.Name} may still run at {guest.MovedTo}, which could not be told that it was given up. End it there first "
        + "(Stop-MigrationReceiver -Force, or the end of that process): if it runs here as well, it runs twice.";

    /// <summary>A postcopy whose pipeline or job is over.</summary>
    public static string GoesOn(MigrationState state) =>
        $"Migration {state.Id} of guest {state.Name} to {state.Destination} is in postcopy, which can't be taken back: it goes on in the background "
        + $"(Wait-Migration -Id {state.Id}, Get-MigrationState -Id {state.Id}). "
        + (state.QemuStatus is not null
            ? "QEMU does it, also when this process ends."
            : "If this process ends before it is through, the memory that is only here is lost, and with it the guest.");

    /// <summary>A decision of the engine in one sentence.</summary>
    public static string Decision(MigrationState state, MigrationDecision decision) =>
        $"Migration {state.Id} of guest {state.Name}, {Figures.Time(decision.Time)}: "
        + $"{Figures.Decision(decision)}";
}
