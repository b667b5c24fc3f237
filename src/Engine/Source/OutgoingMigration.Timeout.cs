using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Source;

/// <summary>What is done when the time allowed is over.</summary>
sealed partial class OutgoingMigration
{
    volatile string? _completeBecause;

    /// <summary>On a thread of its own.</summary>
    void TimeIsUp()
    {
        var parameters = Parameters;
        var allowed = FormattableString.Invariant($"{parameters.Timeout!.Value.TotalSeconds:0.#} s");
        if (TryEndOtherwise(parameters, allowed)) return;
        Fail(new MigrationException(MigrationErrorId.Timeout, MigrationSide.Source, $"The migration had not switched over after {allowed}, the time allowed."));
    }

    /// <summary>Whether what the user wants instead of a failure can be done. A guest that stands already goes over, or back, as it would.</summary>
    bool TryEndOtherwise(MigrationParameters parameters, string allowed)
    {
        if (parameters.OnTimeout == TimeoutAction.Cancel) return false;
        lock (_lock)
        {
            if (_error is not null || _isCancelRequested) return true;
            var isBefore = _status is MigrationStatus.Setup or MigrationStatus.Active;
            if (parameters.OnTimeout == TimeoutAction.Postcopy)
            {
                if (isBefore) _postcopyBecause = $"-OnTimeout Postcopy: it had not switched over after {allowed}.";
                return isBefore;
            }
            if (!isBefore && _status != MigrationStatus.PreSwitchover) return _status == MigrationStatus.Device;
        }
        _completeBecause = $"-OnTimeout SwitchOver: it had not switched over after {allowed}.";
        _completeRequested = true;
        _switchoverAllowed.Set();
        return true;
    }
}
