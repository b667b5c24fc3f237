using System.Management.Automation;
using PsMigrate.Engine;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>Switches running migrations over now, whatever the downtime will be; also one that waits before its switch-over.</summary>
[Cmdlet(VerbsLifecycle.Complete, "Migration", SupportsShouldProcess = true, DefaultParameterSetName = ById)]
[OutputType(typeof(MigrationState))]
public sealed class CompleteMigrationCommand : MigrationActionCmdlet
{
    /// <summary>Give the states out.</summary>
    [Parameter(HelpMessage = "Give the states of the migrations out, as they are when the switch-over begins.")]
    public SwitchParameter PassThru { get; set; }

    private protected override void Process(Migration migration)
    {
        var state = migration.GetState();
        var cost = state.Current.EstimatedDowntime is { } estimate && state.State != MigrationStatus.PreSwitchover
            ? $"the guest is expected to stand still for {Figures.Time(estimate)} ({Figures.Size(state.Current.RemainingBytes)} are left)"
            : $"{Figures.Size(state.Current.RemainingBytes)} are left to send while the guest stands still";
        if (!ShouldProcess(Label(migration), $"Switch over now: {cost}")) return;
        if (Try(state, migration.Complete) && PassThru) WriteObject(migration.GetState());
    }
}
