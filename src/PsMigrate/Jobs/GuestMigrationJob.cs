using System.Management.Automation;
using PsMigrate.Engine;
using PsMigrate.Engine.Model;
using PsMigrate.Running;

namespace PsMigrate.Jobs;

/// <summary>
/// The job of one migration: its passes are the output, its error the error. Failed when the migration failed, Stopped when it was
/// cancelled, Completed when the destination has the guest. Stop-Job cancels the migration and waits for the answer.
/// </summary>
public sealed class GuestMigrationJob : MigrationJob
{
    readonly MigrationJobRunner _runner;
    readonly Lock _lock = new();
    readonly ManualResetEventSlim _over = new();
    Migration? _migration;
    int _decisionsTold;
    int? _percentTold;
    // Before the first estimate there is nothing to tell.
    bool _isWithoutTold = true;
    bool _isPaused;
    bool _isClosed;

    internal GuestMigrationJob(string command, MigrationRequest request, MigrationJobRunner runner)
        : base(command, request.Guest.Name)
    {
        Request = request;
        _runner = runner;
        SetJobState(JobState.Running);
    }

    internal MigrationRequest Request { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<Migration> Migrations => _migration is { } begun ? [begun] : [];

    /// <inheritdoc/>
    public override string Location => Request.Destination.ToString();

    /// <inheritdoc/>
    public override string StatusMessage => _migration is { } begun ? MigrationReport.Line(begun.GetState()) : "waits for its turn";

    /// <inheritdoc/>
    public override bool HasMoreData =>
        Output.Count > 0 || Error.Count > 0 || Warning.Count > 0 || Verbose.Count > 0 || Progress.Count > 0;

    /// <summary>
    /// Cancels the migration and waits until it has ended; one that had not begun never does, and one in postcopy goes on, and the job with it.
    /// </summary>
    public override void StopJob()
    {
        // Also when Receive-Job -AutoRemoveJob removes the job while it is being told that it is over, on the very thread that tells.
        if (IsOver) return;
        RequestStop();
        if (_migration is { } begun && !MigrationPump.AwaitEnd(begun, MigrationPump.EndingTime))
        {
            var state = begun.GetState();
            Tell(() => Warning.Add(new WarningRecord(MigrationReport.GoesOn(state))));
            return;
        }
        _over.Wait(MigrationPump.EndingTime);
    }

    internal void RequestStop()
    {
        if (IsOver) return;
        if (_runner.Withdraw(Request)) Finish(JobState.Stopped);
        else _migration?.Cancel(wait: false);
    }

    internal void Begin(Migration migration) => _migration = migration;

    internal void Pass(MigrationIteration iteration) => Tell(() => Output.Add(PSObject.AsPSObject(iteration)));

    internal void Progressed(MigrationState state) => Tell(() =>
    {
        TellDecisions(state);
        var wasPaused = _isPaused;
        _isPaused = state.State == MigrationStatus.PostcopyPaused;
        if (_isPaused && !wasPaused) Warning.Add(new WarningRecord(MigrationReport.Paused(state)));
        if (!IsProgressNew(state.PercentComplete)) return;
        Progress.Add(MigrationReport.Progress(state, isPartOfDrain: false));
    });

    /// <summary>
    /// A job keeps its progress until somebody receives it: one record per step, and one that there is no estimate between two of them, so that it stays
    /// two hundred at most.
    /// </summary>
    bool IsProgressNew(int? percent)
    {
        var isNew = percent is null ? !_isWithoutTold : percent != _percentTold;
        _isWithoutTold = percent is null || (_isWithoutTold && !isNew);
        _percentTold = percent ?? _percentTold;
        return isNew;
    }

    internal void NotKept(MigrationException error) => Tell(() => Error.Add(ErrorRecords.From(error, Request.Guest.Name)));

    internal void Fail(MigrationException error)
    {
        Tell(() => Error.Add(ErrorRecords.From(error, Request.Guest.Name)));
        Finish(JobState.Failed);
    }

    internal void End(MigrationState state)
    {
        Tell(() =>
        {
            TellDecisions(state);
            Progress.Add(MigrationReport.Progress(state, isPartOfDrain: false, isOver: true));
            foreach (var warning in MigrationReport.Warnings(state.Result!)) Warning.Add(new WarningRecord(warning));
            if (state.Error is { } error) Error.Add(ErrorRecords.From(error, state));
        });
        Finish(state.Error is not null ? JobState.Failed
            : state.State == MigrationStatus.Cancelled ? JobState.Stopped : JobState.Completed);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            StopJob();
            lock (_lock) _isClosed = true;
        }
        base.Dispose(disposing);
    }

    void TellDecisions(MigrationState state)
    {
        foreach (var decision in state.Decisions.Skip(_decisionsTold))
        {
            var text = MigrationReport.Decision(state, decision);
            if (decision.IsWarning) Warning.Add(new WarningRecord(text));
            else Verbose.Add(new VerboseRecord(text));
        }
        _decisionsTold = state.Decisions.Length;
    }

    /// <summary>Adds to the job's streams, which are gone once Remove-Job was here.</summary>
    void Tell(Action add)
    {
        lock (_lock)
        {
            if (!_isClosed) add();
        }
    }

    void Finish(JobState state)
    {
        bool isClosed;
        lock (_lock) isClosed = _isClosed;
        // Outside the lock: whoever hears of it may do anything with the job.
        if (!isClosed && !IsOver) SetJobState(state);
        _over.Set();
    }
}
