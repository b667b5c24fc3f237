using System.Management.Automation;
using PsMigrate.Engine;
using PsMigrate.Engine.Model;

namespace PsMigrate.Running;

/// <summary>Tells a cmdlet's streams about migrations in the foreground: records to the pipeline, the rest where it belongs.</summary>
sealed class PipelineSink(Cmdlet cmdlet, int total, IterationScript? script) : IMigrationSink
{
    // Passes of several migrations come in turn: this name selects the table with the guest in a column instead of in a heading.
    const string Several = "PsMigrate.Engine.Model.MigrationIteration#Several";

    readonly Dictionary<int, int> _decisionsTold = [];
    readonly Dictionary<int, MigrationState> _shown = [];
    readonly HashSet<int> _paused = [];
    readonly Dictionary<MigrationRequest, Migration> _begun = [];
    int _ended;

    public void Started(MigrationRequest request, Migration migration)
    {
        _begun[request] = migration;
        cmdlet.WriteVerbose($"Migration {migration.Id} of guest {migration.Name} to {migration.Destination} begins.");
        ShowDrain(ProgressRecordType.Processing);
    }

    public void NotStarted(MigrationRequest request, MigrationException error)
    {
        _ended++;
        cmdlet.WriteError(ErrorRecords.From(error, request.Guest.Name));
    }

    public void Passed(MigrationRequest request, MigrationIteration iteration)
    {
        // First: what stands further down the pipeline may take its time.
        script?.Ask(_begun[request], iteration);
        var record = PSObject.AsPSObject(iteration);
        if (total > 1) record.TypeNames.Insert(0, Several);
        cmdlet.WriteObject(record);
    }

    public void Progressed(MigrationRequest request, MigrationState state)
    {
        TellDecisions(state);
        TellPause(state);
        _shown[state.Id] = state;
        cmdlet.WriteProgress(MigrationReport.Progress(state, total > 1));
    }

    public void NotKept(MigrationRequest request, MigrationException error) => cmdlet.WriteError(ErrorRecords.From(error, request.Guest.Name));

    public void Ended(MigrationRequest request, MigrationState state)
    {
        _ended++;
        TellDecisions(state);
        if (_shown.Remove(state.Id)) cmdlet.WriteProgress(MigrationReport.Progress(state, total > 1, isOver: true));
        ShowDrain(_ended < total ? ProgressRecordType.Processing : ProgressRecordType.Completed);
        foreach (var warning in MigrationReport.Warnings(state.Result!)) cmdlet.WriteWarning(warning);
        if (state.Error is { } error) cmdlet.WriteError(ErrorRecords.From(error, state));
    }

    /// <summary>The pipeline ends, by Ctrl+C or from downstream; after Ctrl+C only the host itself still takes anything.</summary>
    public void GoesOn(MigrationRequest request, MigrationState state)
    {
        var warning = MigrationReport.GoesOn(state);
        try
        {
            cmdlet.WriteWarning(warning);
        }
        catch (Exception e) when (e is PipelineStoppedException or InvalidOperationException)
        {
            cmdlet.CommandRuntime.Host?.UI?.WriteWarningLine(warning);
        }
    }

    /// <summary>Takes the progress bars away that are left after an early end.</summary>
    public void Close()
    {
        try
        {
            foreach (var state in _shown.Values) cmdlet.WriteProgress(MigrationReport.Progress(state, total > 1, isOver: true));
            if (_ended < total) ShowDrain(ProgressRecordType.Completed);
        }
        catch (PipelineStoppedException)
        {
            // The pipeline takes nothing any more; the host clears its progress with it.
        }
    }

    void TellDecisions(MigrationState state)
    {
        var told = _decisionsTold.GetValueOrDefault(state.Id);
        foreach (var decision in state.Decisions.Skip(told))
        {
            if (decision.IsWarning) cmdlet.WriteWarning(MigrationReport.Decision(state, decision));
            else cmdlet.WriteVerbose(MigrationReport.Decision(state, decision));
        }
        _decisionsTold[state.Id] = state.Decisions.Length;
    }

    void TellPause(MigrationState state)
    {
        if (state.State != MigrationStatus.PostcopyPaused) _paused.Remove(state.Id);
        else if (_paused.Add(state.Id))
            cmdlet.WriteWarning($"{MigrationReport.Paused(state)} This pipeline waits: do it in another session of this process, or use -AsJob, which leaves this one free.");
    }

    void ShowDrain(ProgressRecordType type)
    {
        if (total < 2) return;
        cmdlet.WriteProgress(new ProgressRecord(MigrationReport.DrainActivity, $"Migrating {total} guests", $"{_ended} of {total} ended")
        {
            PercentComplete = 100 * _ended / total,
            RecordType = type,
        });
    }
}
