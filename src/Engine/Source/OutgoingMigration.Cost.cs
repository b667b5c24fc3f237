using System.Diagnostics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Source;

/// <summary>What the migration costs the guest: what it writes before, while it goes, and where it arrives.</summary>
sealed partial class OutgoingMigration
{
    // How long it has to run at the destination before anything can be said.
    static readonly TimeSpan AfterSpan = TimeSpan.FromMilliseconds(500);

    // How long it may take to be told by a destination in another process.
    static readonly TimeSpan AnswerSpan = TimeSpan.FromSeconds(5);

    bool _tellsWriteRate;

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
            GuestLocation.Destination when !_tellsWriteRate && FindArrived() is null => "The destination is in another process, which does not tell.",
            GuestLocation.Destination => "",
            _ => "Where it is now, nobody counts what it writes.",
        };
        if (!CountsWrites || unknown.Length > 0) return null;
        var figure = new LateFigure();
        if (FindArrived() is { } arrived)
        {
            var (written, since) = (arrived.WrittenPages, Stopwatch.GetTimestamp());
            const string Otherwise = "It did not run at the destination for long enough.";
            Later(() => Set(arrived.State == GuestState.Running ? Rate(arrived.WrittenPages - written, Since(since)) : null, Otherwise), Otherwise);
        }
        else
        {
            const string Otherwise = "The destination did not tell, or it did not run there for long enough.";
            // A thread of its own, since it may wait for the other end.
            Later(() => EngineThread.Start($"write rate of {_guest.Name}", () => Set(AskWriteRate(), Otherwise), failed: _ => figure.Set(null, Otherwise)), Otherwise);
        }
        return figure;

        double? AskWriteRate() => Settlement.AskWriteRate(_connect, _uuid, _instance, AnswerSpan);

        void Set(double? rate, string otherwise) => figure.Set(rate, rate is null ? otherwise : "");

        void Later(Action look, string otherwise)
        {
            // Held by nothing but its own end.
            Timer? timer = null;
            timer = EngineThread.After(AfterSpan, () =>
            {
                timer?.Dispose();
                look();
            }, failed: _ => figure.Set(null, otherwise));
        }
    }

    /// <summary>The guest at the destination, where that is in this process.</summary>
    MemoryGuest? FindArrived() => GuestRegistry.All.OfType<MemoryGuest>()
        .FirstOrDefault(guest => guest.Uuid == _guest.Uuid && guest != _guest && guest.State == GuestState.Running);

    static double? Rate(long pages, TimeSpan time) => time > TimeSpan.Zero ? pages * GuestMemory.PageSize / time.TotalSeconds : null;
}
