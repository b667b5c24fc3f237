using System.Text.Json.Nodes;
using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Qemu;

/// <summary>What the thread tells the two ends while it follows: to cancel, to switch over, to run the guest.</summary>
sealed partial class DrivenMigration
{
    bool _isCancelSent;
    bool _isContinueSent;
    bool _hasAnsweredGoOver;
    // Why the guest is to go over, where QEMU was told and has not answered.
    string? _goOverBecause;

    void Act(QemuMigrationInfo info)
    {
        var status = info.Status ?? Status;
        bool isToEnd;
        string? goneOver;
        lock (_lock)
        {
            isToEnd = (_isCancelRequested || _error is not null) && !_isCancelSent;
            // It had heard of it.
            goneOver = DrivenPhases.IsPostcopy(status) ? _goOverBecause : null;
            // Somebody else switched it.
            if (_isCancelRequested && !_isCancelSent && DrivenPhases.IsPostcopy(status)) Refuse(TooLate().Reason);
        }
        if (goneOver is not null) HasGoneOver(goneOver);
        if (isToEnd && !DrivenPhases.IsPostcopy(status)) SendCancel();
        if (status == MigrationStatus.PreSwitchover && _completeRequested) Continue();
        if (status == MigrationStatus.Active) GoOverWhenDue();
        if (status is MigrationStatus.PostcopyActive or MigrationStatus.PostcopyPaused && IsContinueDue) ContinueInPostcopy();
        if (status == MigrationStatus.PostcopyActive && _far is null) Commit();
        if (status == MigrationStatus.PostcopyPaused && _far?.Ask() is { HasEnded: true } word)
        {
            lock (_lock) _location = GuestLocation.Lost;
            throw new MigrationException(MigrationErrorId.GuestLost, MigrationSide.Destination,
                $"The guest had gone over to the destination, and {word.Trouble} What it did there is lost; the source's QEMU has its state of before, and will not run it.");
        }
    }

    /// <summary>Whether the guest stands at the destination and waits for leave.</summary>
    bool IsContinueDue => _far is { IsHeld: true } && _runsAtSource && !_isContinueSent
        && Status is MigrationStatus.PostcopyDevice or MigrationStatus.PostcopyActive or MigrationStatus.PostcopyPaused;

    /// <summary>By -Mode: at once, or after so many passes over memory; or because it was asked for, and nobody knows whether QEMU heard of it.</summary>
    void GoOverWhenDue()
    {
        string why;
        lock (_lock)
        {
            if (_isCancelRequested || _error is not null || (_goOverBecause ?? DueByMode()) is not { } due) return;
            (why, _isPostcopyAsked) = (due, true);
        }
        try
        {
            GoOver(why);
        }
        catch (MigrationException refusal)
        {
            // Where QMP is at fault QEMU may have taken it, so that nothing can be taken back; telling it twice does no harm.
            if (refusal.Id != MigrationErrorId.InvalidState) return;
            _hasAnsweredGoOver = true;
            Decide("Mode", "precopy", "refused", refusal.Message);
        }
    }

    // The caller holds the lock.
    string? DueByMode() => (_hasAnsweredGoOver, _parameters.Mode) switch
    {
        (true, _) or (_, MigrationMode.Precopy) => null,
        (_, MigrationMode.Postcopy) => "-Mode Postcopy",
        // The first look at the log comes before the first pass.
        _ when _pass <= _parameters.PostcopyAfter => null,
        _ => $"-Mode Hybrid, after {_parameters.PostcopyAfter} {(_parameters.PostcopyAfter == 1 ? "pass" : "passes")}",
    };

    void SendCancel()
    {
        try
        {
            _isCancelSent = true;
            _qmp.Execute("migrate_cancel", timeout: AnswerTimeout);
        }
        catch (MigrationException refusal) when (refusal.Id == MigrationErrorId.QemuRefused)
        {
            lock (_lock)
            {
                (_isCancelSent, _error) = (false, null);
                Refuse(refusal.Message);
            }
        }
        catch (MigrationException)
        {
            // Whether it came through the next question shows, over a new connection where that is why.
            _isCancelSent = false;
        }
    }

    // The caller holds the lock.
    void Refuse(string reason)
    {
        _isCancelRequested = false;
        Volatile.Write(ref _cancelRefusal, reason);
        Decide("Cancel", "asked for", "refused", reason);
    }

    void Continue()
    {
        _completeRequested = false;
        try
        {
            _qmp.Execute("migrate-continue", new JsonObject { ["state"] = "pre-switchover" }, AnswerTimeout);
            Decide("Switch over", "waiting", "now", $"{PolicyTrail.WasCompleted}.");
        }
        catch (MigrationException refusal) when (refusal.Id == MigrationErrorId.QemuRefused)
        {
            Decide("Switch over", "waiting", "refused", refusal.Message);
        }
        catch (MigrationException)
        {
            // As with a cancel.
            _completeRequested = true;
        }
    }

    /// <summary>
    /// The destination runs the guest once it has all but the memory, and the source can't take it back: QEMU before 10.2 says
    /// postcopy-active already while it sends the state, and goes back to the source when that fails.
    /// </summary>
    void ContinueInPostcopy()
    {
        if (_far!.Ask().RunState is null or QemuRunState.InMigrate) return;
        if (Ask()?.Status is not (MigrationStatus.PostcopyActive or MigrationStatus.PostcopyPaused)) return;
        Commit();
        if (Start(_far, "It has the state of the guest, and the source has stopped for good.") is not null) return;
        Decide("Destination", "held", "in question", "It gave no answer to cont.");
    }

    /// <summary>Leave for the destination. True when it runs the guest, false when it does not, null when it can't be asked.</summary>
    bool? Start(DrivenDestination far, string reason)
    {
        var begun = _phases.Elapsed;
        _isContinueSent = true;
        var runs = far.TryContinue(_parameters.SettleTimeout, out var refusal);
        _resume = _phases.Elapsed - begun;
        if (runs == true) Decide("Destination", "held", "runs the guest", reason);
        if (refusal is not null) lock (_lock) _error ??= refusal;
        return runs;
    }
}
