using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Qemu;

/// <summary>The thread: it follows what QEMU reports.</summary>
sealed partial class DrivenMigration
{
    static readonly TimeSpan Period = TimeSpan.FromMilliseconds(100);

    // While the destination is to be told to run the guest, each millisecond is downtime.
    static readonly TimeSpan ShortPeriod = TimeSpan.FromMilliseconds(5);

    // How often a lost QMP connection is made anew.
    const int MostReconnections = 5;

    QmpClient _qmp;
    bool _isOwnConnection;
    int _reconnections;
    int _recoveries;
    IDisposable? _events;
    Exception? _lost;
    bool _runsAtSource;
    MigrationPhase _lastPhase;

    void Run()
    {
        QemuMigrationInfo? end = null;
        try
        {
            if (!IsAdopted)
            {
                Prepare();
                Launch();
            }
            end = Follow();
        }
#pragma warning disable CA1031 // Whatever happens on this thread, whoever waits must learn of the end.
        catch (Exception error)
#pragma warning restore CA1031
        {
            RecordFailure(_lost = error);
        }
        try
        {
            _lastPhase = _phases.Current;
            _phases.MoveTo(MigrationPhase.Finish);
            Conclude(end);
        }
#pragma warning disable CA1031
        catch (Exception error)
#pragma warning restore CA1031
        {
            RecordFailure(error);
        }
        EngineThread.Guard(LetGo, RecordFailure);
        Publish(end);
    }

    /// <summary>What it could not even tell of itself: whoever waits learns that it is over.</summary>
    void FailWithoutEnd(Exception e)
    {
        var error = MigrationException.From(e, MigrationSide.Source, "The engine failed");
        error.Location = _location;
        lock (_lock) _status = MigrationStatus.Failed;
        _guest.Unclaim(this);
        _journal.EndWith(MigrationResult.Failed(_id, _guest.Name, _destination.ToString(), error));
    }

    /// <summary>Until QEMU calls it ended.</summary>
    QemuMigrationInfo Follow()
    {
        while (true)
        {
            var recoveries = Volatile.Read(ref _recoveries);
            // An answer from before a recovery tells of the pause that it ended.
            if (Ask() is { } info && recoveries == Volatile.Read(ref _recoveries))
            {
                if (_launchFailure is not null && IsAsBefore(info)) throw NotLaunched(_launchFailure);
                if (info.Status is { } status && MigrationTransitions.IsEnded(status)) return Settled(info);
                Observe(info);
                AskPolicy();
                EndLowering();
                Act(info);
            }
            _wake.WaitOne(IsContinueDue ? ShortPeriod : Period);
        }
    }

    /// <summary>Whether QEMU shows the migration before this one, or none: it did not take the command.</summary>
    bool IsAsBefore(QemuMigrationInfo info) => (info.StatusText, info.TotalTime) == (_before!.StatusText, _before.TotalTime);

    MigrationException NotLaunched(MigrationException why)
    {
        _isLaunched = false;
        return why;
    }

    /// <summary>What query-migrate says; null when the connection was lost and could be made anew.</summary>
    QemuMigrationInfo? Ask()
    {
        try
        {
            var info = QemuMigrationInfo.Parse(_qmp.Execute("query-migrate", timeout: AnswerTimeout));
            // QEMU stops the guest before it says so: what stands for the migration's sake did run.
            if (DrivenPhases.IsBeforeSwitchover(info.Status ?? MigrationStatus.None))
                _runsAtSource = RunState() switch { QemuRunState.Running => true, QemuRunState.Paused => false, _ => _runsAtSource };
            return info;
        }
        catch (MigrationException error) when (_qmp.IsClosed && IsStillKnown && _reconnections++ < MostReconnections)
        {
            Reconnect(error);
            return null;
        }
    }

    /// <summary>Whether the guest was not let go meanwhile; then its QMP socket is not this process's any more.</summary>
    bool IsStillKnown => GuestRegistry.Find(_guest.Host, _guest.Name) == _guest;

    void Reconnect(MigrationException lost)
    {
        var made = QmpReconnection.Connect(_guest.Uri, _parameters.ConnectTimeout);
        _events?.Dispose();
        if (_isOwnConnection) _qmp.Dispose();
        (_qmp, _isOwnConnection) = (made, true);
        _events = made.Subscribe(Take, _ => _wake.Set());
        Decide("QMP of the source", "lost", "connected again", lost.Message);
    }

    string? RunState() => _qmp.Execute("query-status", timeout: AnswerTimeout).Text("status");

    /// <summary>In the instant after completion the figures are not there yet.</summary>
    QemuMigrationInfo Settled(QemuMigrationInfo info)
    {
        for (var tries = 0; tries < 20 && info is { Status: MigrationStatus.Completed } && !(info.TotalTime > TimeSpan.Zero && info.Ram is not null); tries++)
        {
            Thread.Sleep(10);
            info = Ask() ?? info;
        }
        return info;
    }

    /// <summary>On the thread that reads QMP.</summary>
    void Take(QmpEvent what)
    {
        if (what.Name == "MIGRATION" && what.Data.Text("status") is { } status) Remember(QmpErrors.Plain(status), isEvent: true);
        if (what.Name is "MIGRATION" or "MIGRATION_PASS") _wake.Set();
    }

    void Commit()
    {
        lock (_lock)
        {
            _isCommitted = true;
            _location = GuestLocation.Destination;
        }
    }

    void RecordFailure(Exception error)
    {
        lock (_lock)
        {
            if (_isCancelRequested && !_isLaunched && error is OperationCanceledException or MigrationException) return;
            _error ??= error as MigrationException ?? new MigrationException(MigrationErrorId.InternalError, MigrationSide.Source,
                $"The engine failed: {error.GetType().Name}: {error.Message}", error);
            _error.Phase ??= _phases.Current;
        }
    }

    void LetGo()
    {
        _timer?.Dispose();
        RestoreTls();
        RestoreThrottle();
        _events?.Dispose();
        _far?.Dispose();
        if (_isOwnConnection) _qmp.Dispose();
        _guest.Unclaim(this);
    }
}
