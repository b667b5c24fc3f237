using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Qemu;

/// <summary>Who has the guest: asked of both ends, whatever the source calls it.</summary>
sealed partial class DrivenMigration
{
    GuestLocation _location = GuestLocation.Source;
    TimeSpan _resume;

    /// <summary>Of a migration that QEMU has ended, or whose QEMU can't be asked any more.</summary>
    void Conclude(QemuMigrationInfo? end)
    {
        if (end is null)
        {
            if (!_isLaunched && !IsAdopted) return;
            ConcludeWithoutSource();
        }
        else if (IsAdopted)
        {
            ConcludeAdopted(end);
        }
        else if (end.Status == MigrationStatus.Completed)
        {
            HandOver();
        }
        else
        {
            if (end.Status == MigrationStatus.Failed)
            {
                var word = _far?.AwaitEnd(ShortWait);
                var failure = DrivenErrors.Failed(end.ErrorDescription, word?.Trouble, _sourceTls is not null && word is { IsUntouched: true });
                failure.Phase = _lastPhase;
                RecordFailure(failure);
            }
            StayAtSource();
        }
        switch (_location)
        {
            case GuestLocation.Destination:
                // The port that was listened at, where the destination chose one.
                _guest.HandOver((_address ?? _destination).ToString(), ramOnly: false);
                break;
            case GuestLocation.Lost:
                _guest.Lose((_address ?? _destination).ToString());
                break;
            case GuestLocation.InDoubt:
                _guest.PutInDoubt(_destination.ToString(), Settle);
                break;
        }
        if (end?.Status == MigrationStatus.Completed) AwaitRunState();
    }

    /// <summary>QEMU says completed a moment before its run state is postmigrate; whoever is told that it has ended finds that.</summary>
    void AwaitRunState()
    {
        try
        {
            for (var clock = System.Diagnostics.Stopwatch.StartNew(); !_qmp.IsClosed && RunState() == QemuRunState.FinishMigrate && clock.Elapsed < ShortWait;)
                Thread.Sleep(10);
        }
        catch (MigrationException)
        {
            // It can't be asked any more, and it has told how it ended.
        }
    }

    // A destination that fails closes the link first, and says so or ends a moment later.
    static readonly TimeSpan ShortWait = TimeSpan.FromSeconds(2);

    /// <summary>The source has given the guest up. Where the destination was held, it is asked whether it has all, and gets leave.</summary>
    void HandOver()
    {
        // A limit that was over too late: it could not be kept, and nothing failed.
        lock (_lock) _error = _error?.Id == MigrationErrorId.Timeout ? null : _error;
        if (_far is null || _isContinueSent)
        {
            Commit();
            if (_far is null && !_parameters.ReturnPath)
                Decide("Handover", "completed", "not confirmed", "Without return path and -DestinationQmp nobody says whether the destination has it.");
            return;
        }
        var word = _far.AwaitEnd(AnswerTimeout);
        if (!word.IsLoaded)
        {
            RecordFailure(new MigrationException(MigrationErrorId.DestinationFailed, MigrationSide.Destination,
                $"The source has sent all, and the destination did not get ready: {word.Trouble ?? $"it is '{word.RunState}'."}"));
            TakeBack();
            return;
        }
        lock (_lock) (_isCommitted, _location) = (true, GuestLocation.InDoubt);
        // A guest that stood still goes on standing still.
        switch (_runsAtSource ? Start(_far, "It has all of the guest, and the source's migration has completed.") : true)
        {
            case true:
                Commit();
                break;
            case false:
                TakeBack();
                break;
            case null:
                RecordFailure(DrivenErrors.InDoubt("The destination had leave to run the guest when its QMP connection was lost, and it can't be asked."));
                break;
        }
    }

    /// <summary>The destination never had leave to run the guest, or refused: what the source has is whole.</summary>
    void TakeBack()
    {
        lock (_lock) (_isCommitted, _location) = (false, GuestLocation.Source);
        _guest.Keep();
        if (!_runsAtSource) return;
        try
        {
            if (_qmp.IsClosed) Reconnect(_qmp.ClosedBecause!);
            _qmp.Execute("cont", timeout: AnswerTimeout);
            Decide("Guest", "stopped at the source", "runs at the source", "The destination does not run it.");
        }
        catch (MigrationException error)
        {
            Decide("Guest", "stopped at the source", "could not be started there", error.Message);
            lock (_lock)
                _error = new MigrationException(_error?.Id ?? error.Id, _error?.Side ?? error.Side,
                    $"{_error?.Message} The guest stands still at the source, which could not start it: {error.Message} "
                    + "Resume-MigrationGuest tries again.", error)
                { Phase = _phases.Current };
        }
    }

    /// <summary>QEMU says failed or cancelled: it starts the guest again by itself, if it ran.</summary>
    void StayAtSource()
    {
        if (_isContinueSent) return;
        lock (_lock) (_isCommitted, _location) = (false, GuestLocation.Source);
        if (!_runsAtSource || !IsStillStopped()) return;
        if (_far is not null) TakeBack();
        else lock (_lock) _location = GuestLocation.InDoubt;
    }

    // QEMU says failed a moment before it starts the guest again.
    bool IsStillStopped()
    {
        for (var clock = System.Diagnostics.Stopwatch.StartNew(); RunState() is QemuRunState.FinishMigrate or QemuRunState.PostMigrate; Thread.Sleep(10))
            if (clock.Elapsed > ShortWait) return true;
        return false;
    }

    /// <summary>The source has ended, hangs, or its connection is lost for good.</summary>
    void ConcludeWithoutSource()
    {
        if (_isCommitted) return;
        var hasEnded = _lost is MigrationException lost && DrivenErrors.SaysEnded(_guest.Uri, lost);
        if (hasEnded)
        {
            lock (_lock)
                _error = new MigrationException(MigrationErrorId.QmpConnectionLost, MigrationSide.Source,
                    $"The source's QEMU at {_guest.Uri} has ended, and the guest with it; its log says why.", _lost) { Phase = _error?.Phase };
        }
        var word = _far?.AwaitEnd(ShortWait);
        if (word is { IsLoaded: true } && hasEnded) Rescue();
        else if (word is { IsLost: true } or { RunState: QemuRunState.InMigrate } || (hasEnded && _far is null)) return;
        else lock (_lock) _location = GuestLocation.InDoubt;
    }

    /// <summary>The destination has all of the guest, and there is no source any more that could run it.</summary>
    void Rescue()
    {
        if (_runsAtSource && Start(_far!, "It has all of the guest, and the source's QEMU has ended.") != true)
        {
            lock (_lock) _location = GuestLocation.InDoubt;
            return;
        }
        Commit();
        lock (_lock) _error = null;
    }

    /// <summary>Asks the destination later about a guest in doubt.</summary>
    SettleOutcome Settle(TimeSpan within)
    {
        if (_parameters.DestinationQmp is not { } address) return SettleOutcome.Unknown;
        using var far = new DrivenDestination(Transport.MigrationUri.Parse(address), _parameters with { ConnectTimeout = within, AnswerTimeout = within });
        return far.Ask() switch
        {
            { RunState: QemuRunState.Running } => SettleOutcome.RunsThere,
            { Status: MigrationStatus.Failed } => SettleOutcome.Discarded,
            _ => SettleOutcome.Unknown,
        };
    }
}
