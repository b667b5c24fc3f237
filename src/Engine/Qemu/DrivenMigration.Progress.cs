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

    /// <summary>Not more often than each pass.</summary>
    ForecastLever[] Levers(ProgressInput look, MigrationIteration current)
    {
        if (_status != MigrationStatus.Active || _pass == 0) return [];
        if (_levers is { } known && known.Pass == _pass && known.For == _parameters) return known.Found;
        var found = LeverRule.Find(new LeverInput(
            _progress.Curve, _progress.Passes(look), look.Elapsed, current.TransferredBytes, _parameters.MaxDowntime,
            BottleneckRule.IsCapped(current.Bandwidth, _parameters.MaxBandwidth) ? _parameters.MaxBandwidth : 0, MostBandwidth: 0,
            CanGoOver: _parameters.Postcopy));
        _levers = (_pass, _parameters, found);
        return found;
    }
}
