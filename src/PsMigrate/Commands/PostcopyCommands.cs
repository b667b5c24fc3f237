using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Completion;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Commands;

/// <summary>A cmdlet for migrations in postcopy, or on their way there.</summary>
public abstract class PostcopyCmdlet : MigrationActionCmdlet
{
    /// <summary>Give the states out.</summary>
    [Parameter(HelpMessage = "Give the states of the migrations out, as they are then.")]
    public SwitchParameter PassThru { get; set; }

    private protected void Run(Migration migration, string what, Action action)
    {
        if (!ShouldProcess(Label(migration), what)) return;
        var hasDone = false;
        // On another thread: an end that does not answer would hold up Ctrl+C.
        Try(migration.GetState(), () => hasDone = Await(() => { action(); return true; }, out _));
        if (hasDone && PassThru) WriteObject(migration.GetState());
    }
}

/// <summary>Has running migrations go over to postcopy: the guest runs at the destination at once, and its memory follows.</summary>
[Cmdlet(VerbsCommon.Switch, "Migration", SupportsShouldProcess = true, DefaultParameterSetName = ById)]
[OutputType(typeof(MigrationState))]
public sealed class SwitchMigrationCommand : PostcopyCmdlet
{
    private protected override void Process(Migration migration) => Run(migration,
        $"Go over to postcopy: the guest runs at the destination, and {Figures.Size(migration.GetState().Current.RemainingBytes)} or more follow it; "
            + $"there is no way back, and when {WhatIsLost(migration)}",
        migration.SwitchToPostcopy);

    static string WhatIsLost(Migration migration) => migration.Guest.Kind == GuestKind.Qemu
        ? "one of the two QEMUs ends before all of it is there, the guest is lost"
        : "the destination is lost before all of it is there, so is what the guest did since; when this process is, so is the guest";
}

/// <summary>Breaks the link of migrations in postcopy on purpose; they wait for Resume-Migration.</summary>
[Cmdlet(VerbsLifecycle.Suspend, "Migration", SupportsShouldProcess = true, DefaultParameterSetName = ById)]
[OutputType(typeof(MigrationState))]
public sealed class SuspendMigrationCommand : PostcopyCmdlet
{
    private protected override void Process(Migration migration) =>
        Run(migration, "Break the link: the guest runs on at the destination until it needs memory that is still here", migration.Pause);
}

/// <summary>Goes on with migrations in postcopy whose link broke.</summary>
[Cmdlet(VerbsLifecycle.Resume, "Migration", SupportsShouldProcess = true, DefaultParameterSetName = ById)]
[OutputType(typeof(MigrationState))]
public sealed class ResumeMigrationCommand : PostcopyCmdlet
{
    /// <summary>Another way.</summary>
    [Parameter(HelpMessage = "Where to go on: tcp:HOST:PORT or unix:PATH; port 0 lets the destination choose, where its QMP is known. The same as "
        + "before by default.")]
    [ValidateNotNullOrEmpty]
    [Destination]
    [ArgumentCompleter(typeof(RecoveryAddressCompleter))]
    public string? Destination { get; set; }

    /// <summary>Do not wait.</summary>
    [Parameter(HelpMessage = "Ask for it and don't wait until the ends have met; Get-MigrationState tells what became of it.")]
    public SwitchParameter NoWait { get; set; }

    /// <inheritdoc/>
    protected override void BeginProcessing()
    {
        try
        {
            if (Destination is not null) MigrationUri.Parse(Destination);
        }
        catch (MigrationException error)
        {
            ThrowFailure(error, Destination);
        }
    }

    private protected override void Process(Migration migration)
    {
        var address = Destination is null ? null : MigrationUri.Parse(Destination);
        Run(migration, $"Connect the ends again at {address?.ToString() ?? "the same address"} and send the rest", () => Recover(migration, address));
    }

    void Recover(Migration migration, MigrationUri? address)
    {
        if (NoWait && migration.Status == MigrationStatus.PostcopyPaused)
        {
            // What becomes of it is in the state.
            Task.Run(() => migration.Recover(address));
            return;
        }
        migration.Recover(address);
        // Of a QEMU's guest that only says that it tries.
        while (!Stopping && migration.Status is MigrationStatus.PostcopyRecoverSetup or MigrationStatus.PostcopyRecover) Thread.Sleep(Tick);
        if (!Stopping && migration.Status == MigrationStatus.PostcopyPaused)
            throw new MigrationException(MigrationErrorId.ConnectionLost, MigrationSide.Link,
                $"Migration {migration.Id} of guest {migration.Name} is paused again: the ends could not be connected at {address ?? migration.Destination}, or the link broke anew.");
    }
}
