using System.Diagnostics;

namespace PsMigrate.Engine.Model;

/// <summary>
/// How long something has been waited for, by whoever looks again and again. What passes between two looks counts for twice what should at most: while
/// this process was stopped, or got no processor, nothing that came could be noticed, and it finds it when it goes on. Not thread-safe, and
/// nothing that is collected: a source waits while its guest stands. Never copied.
/// </summary>
/// <param name="look">How often it is looked at.</param>
struct WatchedTime(TimeSpan look)
{
    long _last = Stopwatch.GetTimestamp();
    TimeSpan _watched;

    /// <summary>It begins anew.</summary>
    public void Restart() => (_last, _watched) = (Stopwatch.GetTimestamp(), TimeSpan.Zero);

    /// <summary>A look: how long it has been waited for until now.</summary>
    public TimeSpan Look()
    {
        var now = Stopwatch.GetTimestamp();
        var passed = Stopwatch.GetElapsedTime(_last, now);
        (_last, _watched) = (now, _watched + (passed < 2 * look ? passed : 2 * look));
        return _watched;
    }
}
