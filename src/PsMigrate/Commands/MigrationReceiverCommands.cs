using System.Management.Automation;
using PsMigrate.Completion;
using PsMigrate.Engine;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>Shows receivers: where they listen, what has arrived, what is on its way.</summary>
[Cmdlet(VerbsCommon.Get, "MigrationReceiver")]
[OutputType(typeof(ReceiverState))]
public sealed class GetMigrationReceiverCommand : EngineCmdlet
{
    /// <summary>Their numbers.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Numbers of receivers; all that are known by default.")]
    [Alias("ReceiverId")]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(ReceiverIdCompleter))]
    public int[] Id { get; set; } = [];

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var receivers = IsBound(nameof(Id)) ? ReceiverLookup.ById(Id, WriteFailure) : ReceiverRegistry.All;
        foreach (var receiver in receivers) WriteObject(receiver.GetState());
    }
}

/// <summary>
/// Stops receivers: nothing more is taken, and what is on its way goes back to its source. Guests that arrived stay. One with a postcopy under
/// way is stopped by force alone: its guest is lost.
/// </summary>
[Cmdlet(VerbsLifecycle.Stop, "MigrationReceiver", SupportsShouldProcess = true)]
[OutputType(typeof(ReceiverState))]
public sealed class StopMigrationReceiverCommand : EngineCmdlet
{
    /// <summary>Their numbers.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Numbers of receivers.")]
    [Alias("ReceiverId")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ReceiverIdCompleter))]
    public int[] Id { get; set; } = [];

    /// <summary>Lose guests in postcopy.</summary>
    [Parameter(HelpMessage = "Stop also while a postcopy is under way. Its guest runs here, and what its source still has of it is lost.")]
    public SwitchParameter Force { get; set; }

    /// <summary>Give the states out.</summary>
    [Parameter(HelpMessage = "Give the states of the receivers out.")]
    public SwitchParameter PassThru { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var receiver in ReceiverLookup.ById(Id, WriteFailure))
        {
            if (!ShouldProcess($"receiver {receiver.Id} at {receiver.Uri}", Action(receiver))) continue;
            var before = receiver.Arrivals;
            if (!Try(receiver.Id, () => receiver.Stop(Force))) continue;
            foreach (var arrival in receiver.Arrivals.Except(before))
                if (arrival.Error is { Id: MigrationErrorId.GuestLost } lost) WriteWarning(lost.Message);
            if (PassThru) WriteObject(receiver.GetState());
        }
    }

    static string Action(MigrationReceiver receiver)
    {
        var over = receiver.PostcopyCount;
        var coming = Math.Max(0, receiver.ActiveCount - over);
        return "Stop listening"
            + (coming == 0 ? "" : $"; {Figures.Count(coming, "guest")} on the way stay where they come from")
            + (over == 0 ? "" : $"; lost for good: {Figures.Count(over, "guest")} in postcopy");
    }
}
