using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Source;

/// <summary>What other threads may ask of a migration: an end, a switch-over, other limits.</summary>
sealed partial class OutgoingMigration
{
    /// <summary>
    /// Cancels, unless the destination has leave to run the guest or the migration is over. With <paramref name="wait"/> the answer
    /// comes when the guest is where it belongs, whatever it is.
    /// </summary>
    public CancelAnswer Cancel(bool wait)
    {
        var outcome = TryCancel();
        if (outcome == CancelOutcome.Requested) Interrupt();
        if (outcome == CancelOutcome.TooLate && _isPostcopy) return Answer(outcome, TooLateInPostcopy);
        if (wait) _journal.Wait(null);
        if (outcome == CancelOutcome.AlreadyEnded) return Answer(outcome, $"The migration had ended before: {Status}.");
        if (outcome == CancelOutcome.TooLate) return Answer(outcome, "The destination has leave to run the guest; nothing can take that back.");
        if (!wait) return Answer(outcome, "The migration is being cancelled.");
        return Status == MigrationStatus.Cancelled
            ? Answer(CancelOutcome.Cancelled, "Cancelled; the guest stayed at the source.")
            : Answer(CancelOutcome.AlreadyEnded, $"The migration had ended before: {Result}");
    }

    string TooLateInPostcopy => Status == MigrationStatus.PostcopyPaused
        ? "The guest has gone over, and the link to the rest of it is broken: Resume-Migration goes on. To give it up, with what it did since it went over, is Stop-Migration -Force."
        : "The guest has gone over, and its memory follows it; nothing can take that back. It ends by itself; Suspend-Migration breaks the link, and Resume-Migration goes on.";

    CancelOutcome TryCancel()
    {
        lock (_lock)
        {
            if (MigrationTransitions.IsEnded(_status)) return CancelOutcome.AlreadyEnded;
            if (_isCommitted && !_isCancelRequested) return CancelOutcome.TooLate;
            if (_error is not null || _isCancelRequested) return CancelOutcome.Requested;
            _isCancelRequested = true;
            MoveTo(MigrationStatus.Cancelling);
            return CancelOutcome.Requested;
        }
    }

    CancelAnswer Answer(CancelOutcome outcome, string reason)
    {
        lock (_lock) return new(Id, _guest.Name, outcome, reason, _status, _location);
    }

    /// <summary>Switches over as soon as the thread looks, whatever the downtime; also ends the wait before the switch-over.</summary>
    public void Complete()
    {
        lock (_lock)
        {
            if (_status is not (MigrationStatus.Setup or MigrationStatus.Active or MigrationStatus.PreSwitchover))
                throw new MigrationException(MigrationErrorId.InvalidState, MigrationSide.User, $"A migration that is {_status} can't be completed.");
        }
        _completeRequested = true;
        _switchoverAllowed.Set();
    }

    /// <summary>Changes limits of a running migration; null leaves one as it is. They bind from the next window on.</summary>
    public void SetLimits(MigrationLimits limits)
    {
        lock (_lock)
        {
            if (MigrationTransitions.IsEnded(_status))
                throw new MigrationException(MigrationErrorId.InvalidState, MigrationSide.User, $"The migration has ended: {_status}.");
            var before = _parameters;
            if (limits.OnTimeout == TimeoutAction.Postcopy && !_isAdvised && !before.Postcopy) throw NotAdvised();
            _parameters = limits.ApplyTo(before);
            _limits.Change(before, _parameters);
            foreach (var change in PolicyTrail.Changes(before, _parameters, _phases.Elapsed)) _journal.Decide(change);
        }
        if (limits.Timeout is { } limit) ArmTimer(limit - _phases.Elapsed);
    }
}
