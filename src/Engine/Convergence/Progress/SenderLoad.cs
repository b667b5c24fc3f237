namespace PsMigrate.Engine.Convergence;

/// <summary>What the sending thread, or the threads of its channels, do with their time, as shares of it, 0 to 1.</summary>
/// <param name="Working">It has a processor.</param>
/// <param name="Blocked">It waits in a write until the link takes more.</param>
/// <param name="Receiver">Of the link's busy time, how much the other end had no room; null where the link can't tell.</param>
readonly record struct SenderLoad(double Working, double Blocked, double? Receiver)
{
    // More than half of the time is what holds it up; a thread that never waits has not quite all of it.
    const double Mostly = 0.5;
    const double NearlyAll = 0.85;

    /// <summary>How many channels there are; 0 is none.</summary>
    public int Channels { get; init; }

    /// <summary>Whether the other end takes what comes more slowly than it could come.</summary>
    public bool IsReceiverSlow => Blocked >= Mostly && Receiver >= Mostly;

    /// <summary>Whether this end makes what it sends more slowly than it could leave.</summary>
    public bool IsSourceBusy => Working >= NearlyAll;

    /// <summary>
    /// This being the average of so many channels' threads: who works all the time that there is for it holds the others up. That is the thread that gives
    /// them pages, or the channels on as many processors as there are for them, or all together on all processors.
    /// </summary>
    /// <param name="giver">Of the thread that gives.</param>
    /// <param name="count">How many channels there are.</param>
    /// <param name="processors">Of this machine.</param>
    public SenderLoad OfChannels(SenderLoad giver, int count, int processors)
    {
        var used = Working * count;
        var most = Math.Max(giver.Working, Math.Max(used / Math.Min(count, processors), (used + giver.Working) / processors));
        return this with { Working = Math.Min(1, most), Channels = count };
    }

    /// <summary>Of two moments: what passed between them, in seconds.</summary>
    /// <param name="wall">In all.</param>
    /// <param name="processor">On a processor.</param>
    /// <param name="asleep">Until a window ended, for the limit.</param>
    /// <param name="writing">In writes, waiting or copying.</param>
    /// <param name="receiver">Of the link's busy time, without room at the other end; null where it can't tell.</param>
    /// <param name="busy">The link's busy time.</param>
    public static SenderLoad? Of(double wall, double processor, double asleep, double writing, double? receiver, double busy)
    {
        if (!(wall > 0)) return null;
        // Copying is work too: what is left of a write is waiting.
        var blocked = Math.Clamp(wall - asleep - processor, 0, Math.Max(0, writing));
        return new(
            Math.Clamp(processor / wall, 0, 1), blocked / wall, receiver is { } full && busy > 0 ? Math.Clamp(full / busy, 0, 1) : null);
    }
}
