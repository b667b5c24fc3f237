using System.Management.Automation;
using PsMigrate.Completion;
using PsMigrate.Engine.Guests;
using PsMigrate.Running;

namespace PsMigrate.Commands;

/// <summary>Finds guests.</summary>
[Cmdlet(VerbsCommon.Get, "MigrationGuest")]
[OutputType(typeof(Guest))]
public sealed class GetMigrationGuestCommand : EngineCmdlet
{
    /// <summary>Their names.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Names of guests; wildcards are allowed. All by default.")]
    [Alias("VMName")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(GuestNameCompleter))]
    public string[] Name { get; set; } = ["*"];

    /// <summary>The host they live on.</summary>
    [Parameter(HelpMessage = "Only guests on this host; wildcards are allowed. All hosts by default.")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    public string HostName { get; set; } = "*";

    /// <summary>What sort they are.</summary>
    [Parameter(HelpMessage = "Only guests of these kinds: InMemory, Qemu, Captured. All kinds by default.")]
    [ValidateNotNullOrEmpty]
    public GuestKind[]? Kind { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var guest in GuestLookup.Find(Name, HostName, WriteFailure))
        {
            if (Kind is null || Kind.Contains(guest.Kind)) WriteObject(guest);
        }
    }
}

/// <summary>Stops the vCPUs of guests; memory and devices stay.</summary>
[Cmdlet(VerbsLifecycle.Suspend, "MigrationGuest", SupportsShouldProcess = true, DefaultParameterSetName = ByGuest)]
[OutputType(typeof(Guest))]
public sealed class SuspendMigrationGuestCommand : GuestActionCmdlet
{
    /// <summary>Give the guests out.</summary>
    [Parameter(HelpMessage = "Give the guests out.")]
    public SwitchParameter PassThru { get; set; }

    private protected override void Process(Guest guest)
    {
        if (!ShouldProcess(Label(guest), "Suspend: its vCPUs stand still until Resume-MigrationGuest")) return;
        if (Try(guest.Name, guest.Suspend) && PassThru) WriteObject(guest);
    }
}

/// <summary>Lets suspended guests run; settles guests of which nobody knows where they run.</summary>
[Cmdlet(VerbsLifecycle.Resume, "MigrationGuest", SupportsShouldProcess = true, DefaultParameterSetName = ByGuest)]
[OutputType(typeof(Guest))]
public sealed class ResumeMigrationGuestCommand : GuestActionCmdlet
{
    /// <summary>Even if it may run elsewhere.</summary>
    [Parameter(HelpMessage = "Also where the guest runs, or may run, at the destination of a migration. It may then run twice: look "
            + "there first.")]
    public SwitchParameter Force { get; set; }

    /// <summary>Give the guests out.</summary>
    [Parameter(HelpMessage = "Give the guests out.")]
    public SwitchParameter PassThru { get; set; }

    private protected override void Process(Guest guest)
    {
        // QEMU does not tell where a guest went that somebody else migrated.
        var (state, movedTo) = (guest.State, guest.MovedTo ?? "another place");
        var elsewhere = state is GuestState.InDoubt or GuestState.PostMigrate;
        var isLeftRunning = Force && state == GuestState.Lost && guest.MayRunElsewhere;
        var action = isLeftRunning ? $"Resume as it was when it stopped here. It may still run at {movedTo}: end it there first"
            : Force && state == GuestState.Lost ? "Resume as it was when it stopped here: what it did since it went over is lost"
            : !elsewhere ? "Resume: its vCPUs run again"
            : Force ? $"Resume although it {(state == GuestState.InDoubt ? "may run" : "runs")} at {movedTo}"
            : $"Resume, if {movedTo} does not run it";
        if (!ShouldProcess(Label(guest), action)) return;
        var warning = isLeftRunning ? MigrationReport.MayStillRun(guest) : null;
        if (!Try(guest.Name, () => guest.Resume(Force))) return;
        if (warning is not null) WriteWarning(warning);
        if (elsewhere && Force)
            WriteWarning($"Guest {guest.Name} {(guest.Kind == GuestKind.Captured ? "is here again, suspended," : "runs here")} although it {(state == GuestState.InDoubt ? "may run" : "ran")} at {movedTo} too; "
                + "make sure that only one of the two goes on.");
        if (PassThru) WriteObject(guest);
    }
}
