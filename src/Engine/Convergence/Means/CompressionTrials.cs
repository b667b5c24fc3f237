namespace PsMigrate.Engine.Convergence;

/// <summary>
/// Which way the next packet of a channel goes: both ways are measured, the better one is kept, and the other one is looked at again now
/// and then, less often each time. Knows no clock. One thread.
/// </summary>
sealed class CompressionTrials
{
    /// <summary>Packets from one judgement to the next.</summary>
    public const int Window = 16;

    /// <summary>Packets of a try of the other way.</summary>
    public const int Trial = 8;

    /// <summary>The first ones after a change tell of the way before: of what was still under way, and of an end of its stream.</summary>
    public const int Skipped = 2;

    /// <summary>How soon the other way is looked at again, at first.</summary>
    public static readonly TimeSpan FirstInterval = TimeSpan.FromMilliseconds(250);

    /// <summary>How late, at last.</summary>
    public static readonly TimeSpan LastInterval = TimeSpan.FromSeconds(16);

    bool _isTrial;
    int _packets = -Skipped;
    PacketCost _sum;
    // Of the way that is kept, while the other one is tried.
    PacketCost _kept;
    TimeSpan _interval = FirstInterval;
    TimeSpan _nextLook;

    /// <summary>Whether the next packet is to be compressed.</summary>
    public bool Compresses { get; private set; } = true;

    /// <summary>A packet has left. A reason when it is decided that packets go the other way from here on, else null.</summary>
    /// <param name="now">Any clock.</param>
    /// <param name="packet">What it cost.</param>
    /// <param name="limit">What the channel may send, bytes/s; 0 is no limit.</param>
    public string? Add(TimeSpan now, PacketCost packet, long limit)
    {
        if (_packets++ < 0) return null;
        _sum += packet;
        if (_packets < (_isTrial ? Trial : Window)) return null;
        return _isTrial ? EndTrial(now, limit) : Judge(now, limit);
    }

    string? Judge(TimeSpan now, long limit)
    {
        var sum = Restart(0);
        if (now < _nextLook) return null;
        var (advice, reason) = Compresses ? CompressionRule.WhilePacked(sum, null, limit) : CompressionRule.WhilePlain(sum, null, limit);
        if (advice == CompressionAdvice.Change) return Change(now, reason);
        if (advice == CompressionAdvice.Try) (_kept, _isTrial, Compresses, _packets) = (sum, true, !Compresses, -Skipped);
        return null;
    }

    /// <summary>The way that was kept is judged by what the other one has shown; either way the answer holds for a while.</summary>
    string? EndTrial(TimeSpan now, long limit)
    {
        var tried = Restart(-Skipped);
        (_isTrial, Compresses) = (false, !Compresses);
        var (advice, reason) = Compresses ? CompressionRule.WhilePacked(_kept, tried, limit) : CompressionRule.WhilePlain(_kept, tried, limit);
        if (advice == CompressionAdvice.Change) return Change(now, reason);
        Wait(now);
        return null;
    }

    string Change(TimeSpan now, string reason)
    {
        Restart(-Skipped);
        Compresses = !Compresses;
        Wait(now);
        return reason;
    }

    PacketCost Restart(int packets)
    {
        var sum = _sum;
        (_packets, _sum) = (packets, default);
        return sum;
    }

    void Wait(TimeSpan now)
    {
        _nextLook = now + _interval;
        _interval = TimeSpan.FromTicks(Math.Min(_interval.Ticks * 2, LastInterval.Ticks));
    }
}
