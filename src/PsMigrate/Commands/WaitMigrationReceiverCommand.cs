using System.Diagnostics;
using System.Management.Automation;
using PsMigrate.Arguments;
using PsMigrate.Completion;
using PsMigrate.Engine;
using PsMigrate.Engine.Model;
using PsMigrate.Running;

namespace PsMigrate.Commands;

/// <summary>Waits for guests to arrive, and gives a record of each as it comes, also of one that did not make it.</summary>
[Cmdlet(VerbsLifecycle.Wait, "MigrationReceiver")]
[OutputType(typeof(MigrationArrival))]
public sealed class WaitMigrationReceiverCommand : EngineCmdlet
{
    readonly List<MigrationReceiver> _receivers = [];
    readonly Stopwatch _clock = Stopwatch.StartNew();
    readonly ArrivalProgress _progress = new();

    /// <summary>Their numbers.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true,
        HelpMessage = "Numbers of receivers; all that listen by default.")]
    [Alias("ReceiverId")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ReceiverIdCompleter))]
    public int[] Id { get; set; } = [];

    /// <summary>How many arrivals.</summary>
    [Parameter(HelpMessage = "How many arrivals to wait for, all receivers together; 1 by default, 0 goes on until the receivers are "
            + "stopped. "
        + "Each arrival is given out once, also one that came before the wait.")]
    [ValidateRange(0, int.MaxValue)]
    public int Count { get; set; } = 1;

    /// <summary>How long to wait.</summary>
    [Parameter(HelpMessage = "How long to wait in all: a TimeSpan, text such as 30s or 5m, or a number of seconds. Without end by "
            + "default.")]
    [Duration(BareNumber.Seconds)]
    [Alias("TimeoutSeconds", "TimeoutSec")]
    public TimeSpan? Timeout { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (IsBound(nameof(Id))) _receivers.AddRange(ReceiverLookup.ById(Id, WriteFailure).Except(_receivers));
    }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        // An empty pipeline names no receiver; it does not mean all of them.
        var isNamed = IsBound(nameof(Id)) || MyInvocation.ExpectingInput;
        if (!isNamed) _receivers.AddRange(ReceiverRegistry.All.Where(receiver => receiver.Status == ReceiverStatus.Listening));
        if (_receivers.Count == 0)
        {
            if (!isNamed)
                WriteFailure(new MigrationException(MigrationErrorId.ReceiverNotFound, MigrationSide.User, "No receiver listens."), null);
            return;
        }
        Wait();
        foreach (var record in _progress.Close()) WriteProgress(record);
    }

    void Wait()
    {
        var arrived = 0;
        while (!Stopping && (Count == 0 || arrived < Count))
        {
            // Asked before the arrivals are taken: what came before the stop is still told.
            var listening = _receivers.Exists(receiver => receiver.Status == ReceiverStatus.Listening || receiver.ActiveCount > 0);
            var left = Timeout - _clock.Elapsed;
            var before = arrived;
            foreach (var receiver in _receivers)
            {
                while ((Count == 0 || arrived < Count) && receiver.TryTakeArrival(out var arrival, Slice(left)))
                {
                    arrived++;
                    WriteObject(arrival);
                }
            }
            foreach (var record in _progress.Update(_receivers)) WriteProgress(record);
            if (arrived > before) continue;
            if (!listening || left <= TimeSpan.Zero)
            {
                TellWhy(arrived, listening);
                return;
            }
        }
    }

    TimeSpan Slice(TimeSpan? left) => left <= TimeSpan.Zero ? TimeSpan.Zero : left < Tick ? left.Value : Tick / _receivers.Count;

    void TellWhy(int arrived, bool listening)
    {
        var waitedFor = Count == 0 ? "" : $" of {Count}";
        var where = string.Join(", ", _receivers.Select(receiver => receiver.Uri));
        if (listening)
            WriteFailure(new MigrationException(MigrationErrorId.Timeout, MigrationSide.User,
                $"{arrived}{waitedFor} guests arrived at {where} within {Figures.Time(Timeout!.Value)}. The receiver goes on."), Targets());
        else if (Count > 0)
            WriteFailure(new MigrationException(MigrationErrorId.InvalidState, MigrationSide.User,
                $"The receiver at {where} was stopped after {arrived}{waitedFor} arrivals."), Targets());
    }

    int[] Targets() => [.. _receivers.Select(receiver => receiver.Id)];
}
