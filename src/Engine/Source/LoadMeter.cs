using System.Diagnostics;
using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Source;

/// <summary>What the sending thread did with its time, over the last second or so. It looks once a window; any thread may ask, with a lock.</summary>
sealed class LoadMeter
{
    static readonly TimeSpan Span = TimeSpan.FromSeconds(1);

    Moment? _from;
    Moment _next;
    Moment _last;
    TimeSpan _asleep;

    /// <summary>The thread slept for a limit.</summary>
    public void Sleep(TimeSpan time) => _asleep += time;

    /// <summary>On the sending thread, when a window is over.</summary>
    public void Look(IConnection connection)
    {
        if (ThreadTime.Now is not { } processor) return;
        _last = new Moment(Stopwatch.GetTimestamp(), processor, _asleep, connection.Waits);
        if (_from is null) (_from, _next) = (_last, _last);
        else if (Stopwatch.GetElapsedTime(_next.At, _last.At) >= Span) (_from, _next) = (_next, _last);
    }

    /// <summary>Null before half of that time was seen, or where the system does not tell.</summary>
    public SenderLoad? Load(IConnection connection)
    {
        if (_from is not { } from) return null;
        // A thread that did not come back for so long is in one write.
        if (Stopwatch.GetElapsedTime(_last.At) > Span)
            return Between(_last, _last with { At = Stopwatch.GetTimestamp(), Waits = connection.Waits });
        return Stopwatch.GetElapsedTime(from.At, _last.At) < Span / 2 ? null : Between(from, _last);
    }

    static SenderLoad? Between(Moment from, Moment to) => SenderLoad.Of(
        Stopwatch.GetElapsedTime(from.At, to.At).TotalSeconds, (to.Processor - from.Processor).TotalSeconds, (to.Asleep - from.Asleep).TotalSeconds,
        (to.Waits.Writing - from.Waits.Writing).TotalSeconds, to.Waits.Busy is null ? null : (to.Waits.Receiver - from.Waits.Receiver).TotalSeconds,
        ((to.Waits.Busy ?? TimeSpan.Zero) - (from.Waits.Busy ?? TimeSpan.Zero)).TotalSeconds);

    readonly record struct Moment(long At, TimeSpan Processor, TimeSpan Asleep, LinkWaits Waits);
}
