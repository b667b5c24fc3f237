using System.Management.Automation;
using PsMigrate.Engine;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>Cancels migrations: the guest goes on at the source, unless it is too late for that. Says which of the two.</summary>
[Cmdlet(VerbsLifecycle.Stop, "Migration", SupportsShouldProcess = true, DefaultParameterSetName = ById)]
[Alias("Stop-VmMigration")]
[OutputType(typeof(CancelAnswer))]
public sealed class StopMigrationCommand : MigrationActionCmdlet
{
    /// <summary>Do not wait for the answer.</summary>
    [Parameter(HelpMessage = "Ask for the end and don't wait for it; the answer then is Requested.")]
    public SwitchParameter NoWait { get; set; }

    private protected override void Process(Migration migration)
    {
        if (!ShouldProcess(Label(migration), "Cancel: the guest goes on at the source, unless it is too late")) return;
        if (NoWait)
        {
            WriteObject(migration.Cancel(wait: false));
            return;
        }
        // On another thread, so that Ctrl+C ends the wait here; the cancel itself stays asked for.
        var answer = Task.Run(() => migration.Cancel());
        while (!Stopping && !answer.IsCompleted) ((IAsyncResult)answer).AsyncWaitHandle.WaitOne(Tick);
        if (answer.IsCompleted) WriteObject(answer.GetAwaiter().GetResult());
    }
}
