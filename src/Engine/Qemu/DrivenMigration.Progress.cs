using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Qemu;

/// <summary>How far it is, and what would help, by QEMU's figures.</summary>
sealed partial class DrivenMigration
{
    readonly ProgressEstimate _progress;
    (int Pass, MigrationParameters For, ForecastLever[] Found)? _levers;
    volatile bool _isPausedOnPurpose;

    // The caller holds the lock in what follows.

    ProgressInput LookAtProgress(MigrationIteration current, long threshold) => new()
    {
        Elapsed = _phases.Elapsed,
        Status = _status,
        Pass = _pass,
        PassElapsed = _phases.Elapsed - _passStart,
        Pending = current.RemainingBytes,
        Bandwidth = current.Bandwidth,
        Threshold = threshold,
        GoesOverAfter = _isPostcopyAsked || _parameters.Mode == MigrationMode.Postcopy ? 0
            : _parameters.Mode == MigrationMode.Hybrid ? _parameters.PostcopyAfter
            : null,
        EndsBy = _parameters.OnTimeout == TimeoutAction.Cancel ? null : _parameters.Timeout,
    };

    /// <summary>What levers are looked for in, not more often than each pass; null where they are known.</summary>
    LeverInput? LeversDue(ProgressInput look, MigrationIteration current)
    {
        if (_status != MigrationStatus.Active || _pass == 0 || (_levers is { } known && known.Pass == _pass && known.For == _parameters)) return null;
        var limit = _parameters.MaxBandwidth;
        // By what the user allows, for that is what levers change; a policy's limit rises by itself.
        var allowed = look with { Threshold = SwitchoverRule.Threshold(current.Bandwidth, _parameters.SwitchoverBandwidth, _parameters.MaxDowntime) };
        return new LeverInput(
            _progress.Curve.Copy(), _progress.Passes(allowed), look.Elapsed, current.TransferredBytes, _parameters.MaxDowntime,
            BottleneckRule.IsCapped(current.Bandwidth, limit) ? limit : 0, _parameters.Promise?.LinkBandwidth ?? 0, CanGoOver: _parameters.Postcopy);
    }

    ForecastLever[] KnownLevers => _status == MigrationStatus.Active && _pass > 0 ? _levers?.Found ?? [] : [];

    BottleneckInput LookAtBottleneck(MigrationIteration current, long threshold) => new(
        _status, _pass, current.Bandwidth, DrivenPhases.IsPostcopy(_status) ? _parameters.MaxPostcopyBandwidth : _limits.Bandwidth(_parameters),
        _pass > 1 ? current.DirtyRate : null, current.RemainingBytes, threshold, current.EstimatedDowntime, _parameters.MaxDowntime,
        WaitsForDestination: _isCommitted && _journal.Result is null)
    {
        IsPausedOnPurpose = _isPausedOnPurpose, IsPolicysLimit = _limits.Bandwidth(_parameters) != _parameters.MaxBandwidth,
    };

    /// <summary>Without the lock, which the thread needs to give the destination leave.</summary>
    ForecastLever[] Find(LeverInput input, int pass, MigrationParameters parameters)
    {
        var found = LeverRule.Find(input);
        lock (_lock) _levers = (pass, parameters, found);
        return found;
    }
}
