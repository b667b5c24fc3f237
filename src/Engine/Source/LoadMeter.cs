using System.Diagnostics;
using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Source;

/// <summary>
/// What the sending thread did with its time, and the threads of its channels with theirs, over the last second or so. It looks once a window; any
/// thread may ask, with a lock.
/// </summary>
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
    public void Look(IConnection connection, MultifdSaver? channels = null)
    {
        if (ThreadTime.Now is not { } processor) return;
        _last = new Moment(Stopwatch.GetTimestamp(), processor, _asleep, connection.Waits, channels?.Times);
        if (_from is null) (_from, _next) = (_last, _last);
        else if (Stopwatch.GetElapsedTime(_next.At, _last.At) >= Span) (_from, _next) = (_next, _last);
    }

    /// <summary>Null before half of that time was seen, or where the system does not tell.</summary>
    public SenderLoad? Load(IConnection connection, MultifdSaver? channels = null)
    {
        if (_from is not { } from) return null;
        // A thread that did not come back for so long is in one write, or its channels are.
        if (Stopwatch.GetElapsedTime(_last.At) > Span)
            return Between(_last, _last with { At = Stopwatch.GetTimestamp(), Waits = connection.Waits, Channels = channels?.Times });
        return Stopwatch.GetElapsedTime(from.At, _last.At) < Span / 2 ? null : Between(from, _last);
    }

    static SenderLoad? Between(Moment from, Moment to)
    {
        var wall = Stopwatch.GetElapsedTime(from.At, to.At).TotalSeconds;
        var own = Of(wall, to.Processor - from.Processor, to.Asleep - from.Asleep, from.Waits, to.Waits);
        if (own is not { } sending || from.Channels is not { } before || to.Channels is not { } after) return own;
        return Of(wall * after.Count, after.Processor - before.Processor, after.Idle - before.Idle, before.Waits, after.Waits)?
            .OfChannels(sending, after.Count, Environment.ProcessorCount);
    }

    static SenderLoad? Of(double wall, TimeSpan processor, TimeSpan asleep, LinkWaits from, LinkWaits to) => SenderLoad.Of(
        wall, processor.TotalSeconds, asleep.TotalSeconds, (to.Writing - from.Writing).TotalSeconds,
        to.Busy is null ? null : (to.Receiver - from.Receiver).TotalSeconds, ((to.Busy ?? TimeSpan.Zero) - (from.Busy ?? TimeSpan.Zero)).TotalSeconds);

    readonly record struct Moment(long At, TimeSpan Processor, TimeSpan Asleep, LinkWaits Waits, ChannelTimes? Channels);
}
