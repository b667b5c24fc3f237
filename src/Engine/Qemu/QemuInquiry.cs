using System.Diagnostics;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Qemu;

/// <summary>
/// Questions that somebody asks in passing, such as a list of guests: a QEMU that does not answer keeps nobody waiting for long. From
/// any thread.
/// </summary>
sealed class QemuInquiry(QmpClient qmp)
{
    static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(500);

    // Of a QEMU that has just not answered the next ones are not asked.
    static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    // QEMU's main loop may be busy for a while, for example when a migration switches over.
    static readonly TimeSpan SilentAfter = TimeSpan.FromSeconds(10);

    readonly Lock _gate = new();
    long? _silentSince;
    long _lastTry;

    /// <summary>For how long QEMU has not answered; null where it did last time, or was not asked.</summary>
    public TimeSpan? Silence
    {
        get
        {
            lock (_gate) return _silentSince is { } since ? Stopwatch.GetElapsedTime(since) : null;
        }
    }

    /// <summary>Whether QEMU has not answered for so long that what it said before counts no more.</summary>
    public bool IsSilent => Silence > SilentAfter;

    /// <summary>What QEMU answers; <paramref name="last"/> where it does not within half a second, or can't.</summary>
    /// <param name="last">What it answered before.</param>
    /// <param name="ask">Executes a command within the time that it is given.</param>
    public T Ask<T>(T last, Func<TimeSpan, T> ask)
    {
        if (!IsWorthAsking()) return last;
        var begin = Stopwatch.GetTimestamp();
        try
        {
            var answer = ask(Limit);
            lock (_gate) _silentSince = null;
            return answer;
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.QmpTimeout)
        {
            lock (_gate) (_silentSince, _lastTry) = (_silentSince ?? begin, Stopwatch.GetTimestamp());
        }
        catch (MigrationException)
        {
            // The connection says why it ended; a refusal leaves things as they were.
        }
        return last;
    }

    bool IsWorthAsking()
    {
        if (qmp.IsClosed) return false;
        lock (_gate) return _silentSince is null || Stopwatch.GetElapsedTime(_lastTry) > Pause;
    }
}
