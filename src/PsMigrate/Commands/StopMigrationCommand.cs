using System.Management.Automation;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Running;

namespace PsMigrate.Commands;

/// <summary>Cancels migrations: the guest goes on at the source, unless it is too late for that. Says which of the two.</summary>
[Cmdlet(VerbsLifecycle.Stop, "Migration", SupportsShouldProcess = true, DefaultParameterSetName = ById)]
[Alias("Stop-VmMigration")]
[OutputType(typeof(CancelAnswer))]
public sealed class StopMigrationCommand : MigrationActionCmdlet
{
    bool _yesToAll;
    bool _noToAll;

    /// <summary>Do not wait for the answer.</summary>
    [Parameter(HelpMessage = "Ask for the end and don't wait for it; the answer then is Requested.")]
    public SwitchParameter NoWait { get; set; }

    /// <summary>Also what is paused in postcopy.</summary>
    [Parameter(HelpMessage = "End a migration that is paused in postcopy for good: what the guest did since it went over is lost. Of no effect on "
        + "others.")]
    public SwitchParameter Force { get; set; }

    private protected override void Process(Migration migration)
    {
        if (Force && migration.Status == MigrationStatus.PostcopyPaused) GiveUp(migration);
        else Cancel(migration);
    }

    void Cancel(Migration migration)
    {
        if (!ShouldProcess(Label(migration), "Cancel: the guest goes on at the source, unless it is too late")) return;
        if (NoWait)
        {
            WriteObject(migration.Cancel(wait: false));
            return;
        }
        if (Await(() => migration.Cancel(), out var answer)) WriteObject(ForPaused(migration, answer!));
    }

    /// <summary>Who can't take it back may still want to end it.</summary>
    static CancelAnswer ForPaused(Migration migration, CancelAnswer answer) => answer.Outcome != CancelOutcome.TooLate || migration.Status != MigrationStatus.PostcopyPaused
        ? answer
        : answer with { Reason = $"{answer.Reason} It is paused: Resume-Migration goes on; Stop-Migration -Force ends it, with what the guest did since it went over." };

    /// <summary>Nothing else loses a guest: it is of high impact, where a cancel is of medium, and an attribute holds one value only.</summary>
    void GiveUp(Migration migration)
    {
        if (!ShouldProcess(Label(migration), "Give up for good: what the guest did since it went over is lost")) return;
        if (!IsBound("Confirm") && Preference() == ConfirmImpact.High && !ShouldContinue(
            $"Give {Label(migration)} up? What the guest did since it went over is lost.", "Give up a postcopy", ref _yesToAll, ref _noToAll)) return;
        Try(migration.GetState(), () =>
        {
            if (!Await(() => { migration.GiveUp(); return true; }, out _)) return;
            var state = migration.GetState();
            var outcome = state.State == MigrationStatus.Completed ? CancelOutcome.AlreadyEnded : CancelOutcome.GivenUp;
            WriteObject(new CancelAnswer(migration.Id, migration.Name, outcome, WhatBecame(state.Location, migration.Guest), state.State, state.Location));
            if (state.Location == GuestLocation.Lost && migration.Guest.MayRunElsewhere) WriteWarning(MigrationReport.MayStillRun(migration.Guest));
        });
    }

    /// <summary>The destination was asked, and may have known better.</summary>
    static string WhatBecame(GuestLocation where, Guest guest) => where switch
    {
        GuestLocation.Source => "Given up in postcopy; the guest never ran at the destination, and goes on at the source.",
        GuestLocation.Destination => "The destination has all of the guest, and only its last word was lost: the migration has completed.",
        GuestLocation.InDoubt => "Given up in postcopy; all of the guest has left, and it may run at the destination. Resume-MigrationGuest asks there once more.",
        _ when guest.MayRunElsewhere => $"Given up in postcopy, and the destination could not be told: it may still run at {guest.MovedTo}, end it there first. What it did since it went over is lost here.",
        _ => "Given up in postcopy; what the guest did since it went over is lost.",
    };

    ConfirmImpact Preference() =>
        LanguagePrimitives.TryConvertTo<ConfirmImpact>(GetVariableValue("ConfirmPreference"), out var impact) ? impact : ConfirmImpact.High;
}
