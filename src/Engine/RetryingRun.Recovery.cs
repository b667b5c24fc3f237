using System.Diagnostics;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine;

/// <summary>Postcopy: nothing starts over there, but what is paused can go on.</summary>
sealed partial class RetryingRun
{
    int _recoveries;
    bool _isPausedOnPurpose;
    long _pausedSince;

    /// <summary>On the thread that follows the attempt: one that stands paused for the delay is told to go on, so often as it may be.</summary>
    void GoOnWhenPaused()
    {
        lock (_lock)
        {
            if (_isPausedOnPurpose || _attempt.Status != MigrationStatus.PostcopyPaused || _recoveries >= _parameters.Retries)
            {
                _pausedSince = 0;
                return;
            }
            if (_pausedSince == 0) _pausedSince = Stopwatch.GetTimestamp();
            if (Stopwatch.GetElapsedTime(_pausedSince) < _parameters.RetryDelay) return;
            (_pausedSince, _recoveries) = (0, _recoveries + 1);
            Decide("Recovery", "paused", $"{_recoveries} of at most {_parameters.Retries}", "The link broke; it goes on by itself.", isWarning: false);
        }
        try
        {
            _attempt.Recover(destination: null);
        }
        catch (MigrationException error)
        {
            lock (_lock) Decide("Recovery", $"{_recoveries} of at most {_parameters.Retries}", "refused", error.Message, isWarning: true);
        }
    }
}
