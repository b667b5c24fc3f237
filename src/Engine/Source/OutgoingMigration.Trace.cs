using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Source;

/// <summary>What each pass leaves for a trace, where one was asked for.</summary>
sealed partial class OutgoingMigration
{
    TimeSpan _notedBusy;
    long[] _notedTicks = [];
    TimeSpan[] _notedHeld = [];
    int _notes;
    bool _notedThrottle;

    /// <summary>3: the log is about to be started.</summary>
    void BeginTrace()
    {
        if (!_parameters.RecordTrace) return;
        _ram.Regions = new RegionLog(_guest);
        (_notedTicks, _notedHeld) = (_guest.Ticks, ThrottledTime);
    }

    /// <summary>A pass has ended. One too many is told as if there were no trace.</summary>
    MigrationIteration Noted(MigrationIteration pass)
    {
        if (_ram.Regions is not { } regions) return pass;
        if (_notes++ > MigrationTrace.MostPasses)
        {
            _ram.Regions = null;
            return pass;
        }
        var (busy, ticks, held) = (_phases.Spent(MigrationPhase.Iterate), _guest.Ticks, ThrottledTime);
        // How its owner holds the guest back is how it is; in a replay it is so too.
        var wasThrottled = _notedThrottle;
        _notedThrottle = _policy is { Throttle: > 0 };
        if (!wasThrottled && !_notedThrottle) _notedHeld = held;
        var notes = new TraceNotes(
            regions.Layout, regions.End(), busy - _notedBusy, BandwidthLimit, _ram.UsesDifferences,
            [.. ticks.Zip(_notedTicks, (now, before) => (now - before) * GuestMemory.PageSize)], [.. held.Zip(_notedHeld, (now, before) => now - before)]);
        (_notedBusy, _notedTicks, _notedHeld) = (busy, ticks, held);
        return pass with { Notes = notes };
    }
}
