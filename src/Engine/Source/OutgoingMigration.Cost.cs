using System.Diagnostics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Source;

/// <summary>What the migration costs the guest: what it writes before, while it goes, and where it arrives.</summary>
sealed partial class OutgoingMigration
{
    // How long it has to run at the destination before anything can be said.
    static readonly TimeSpan AfterSpan = TimeSpan.FromMilliseconds(500);

    double? _rateBefore;
    long _writtenBefore;
    long _claimed;
    long _passWritten;
    // When it stopped, and what it had written by then; none before.
    long _stopped;
    long _writtenThen;

    /// <summary>Once the guest is this migration's. Nothing waits for it.</summary>
    void BeginCost() => (_rateBefore, _writtenBefore, _claimed) = (_guest.RecentWriteRate, _guest.WrittenPages, Stopwatch.GetTimestamp());

    /// <summary>The guest stands.</summary>
    void EndCost() => (_writtenThen, _stopped) = (_guest.WrittenPages, Stopwatch.GetTimestamp());

    bool CountsWrites => _own is not null;

    /// <summary>Of the pass so far.</summary>
    double? PassWriteRate => !CountsWrites || _passStart == 0 ? null
        : _stopped == 0 ? Rate(_guest.WrittenPages - _passWritten, Since(_passStart))
        : _stopped <= _passStart ? null
        : Rate(_writtenThen - _passWritten, Stopwatch.GetElapsedTime(_passStart, _stopped));

    /// <summary>The time that the guest ran; one that was given back ran on, but for the time for which it stood.</summary>
    double? WriteRateDuring
    {
        get
        {
            if (!CountsWrites || _claimed == 0) return null;
            if (!_guestRan) return _stopped == 0 ? Rate(_guest.WrittenPages - _writtenBefore, Since(_claimed)) : 0;
            return Rate(_writtenThen - _writtenBefore, Stopwatch.GetElapsedTime(_claimed, _stopped));
        }
    }

    GuestCost Cost() => new()
    {
        WriteRateBefore = CountsWrites ? _rateBefore : null,
        WriteRateDuring = WriteRateDuring,
        Downtime = _guestRan ? _downtime.Parts.Total : TimeSpan.Zero,
        ThrottledTime = ThrottledTime.Aggregate(TimeSpan.Zero, static (sum, time) => sum + time),
        BlockedTime = _postcopy?.BlockedTime,
        UnknownBefore = !CountsWrites ? "A guest that was captured does not run here."
            : _rateBefore is null ? "It had not run for long enough before the migration." : "",
        After = FigureAfter(out var unknown),
        UnknownAfter = unknown,
    };

    LateFigure? FigureAfter(out string unknown)
    {
        unknown = !CountsWrites ? "" : _location switch
        {
            GuestLocation.Source => "It did not go over.",
            _ when !_guestRan => "It stood.",
            GuestLocation.Destination when FindArrived() is null => "The destination is in another process, which does not tell.",
            GuestLocation.Destination => "",
            _ => "Where it is now, nobody counts what it writes.",
        };
        if (!CountsWrites || unknown.Length > 0 || FindArrived() is not { } arrived) return null;
        var figure = new LateFigure();
        var (written, since) = (arrived.WrittenPages, Stopwatch.GetTimestamp());
        // Held by nothing but its own end.
        Timer? timer = null;
        timer = EngineThread.After(AfterSpan, () =>
        {
            timer?.Dispose();
            if (arrived.State == GuestState.Running) figure.Set(Rate(arrived.WrittenPages - written, Since(since)));
            else figure.Set(null, "It did not run at the destination for long enough.");
        });
        return figure;
    }

    /// <summary>The guest at the destination, where that is in this process.</summary>
    MemoryGuest? FindArrived() => GuestRegistry.All.OfType<MemoryGuest>()
        .FirstOrDefault(guest => guest.Uuid == _guest.Uuid && guest != _guest && guest.State == GuestState.Running);

    static double? Rate(long pages, TimeSpan time) => time > TimeSpan.Zero ? pages * GuestMemory.PageSize / time.TotalSeconds : null;
}
