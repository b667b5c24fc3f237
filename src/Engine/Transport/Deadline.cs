namespace PsMigrate.Engine.Transport;

/// <summary>A moment by which something has to be done. Milliseconds.</summary>
readonly struct Deadline
{
    readonly long _end;

    /// <summary>So much from now; <see cref="Timeout.InfiniteTimeSpan"/> for never.</summary>
    public Deadline(TimeSpan timeout)
        : this(timeout < TimeSpan.Zero || timeout.TotalMilliseconds > int.MaxValue
            ? long.MaxValue
            : Environment.TickCount64 + (long)timeout.TotalMilliseconds)
    {
    }

    Deadline(long end) => _end = end;

    public bool IsOver => Environment.TickCount64 >= _end;

    /// <summary>What is left, and never less than nothing.</summary>
    public TimeSpan Left => _end == long.MaxValue
        ? Timeout.InfiniteTimeSpan
        : TimeSpan.FromMilliseconds(Math.Max(0, _end - Environment.TickCount64));

    /// <summary>The given time, or what is left if that is less.</summary>
    public TimeSpan Limit(TimeSpan time)
    {
        var left = Left;
        return left == Timeout.InfiniteTimeSpan || left > time ? time : left;
    }

    /// <summary>The end of the first of so many equal parts of what is left.</summary>
    public Deadline Share(int parts) =>
        parts == 1 || _end == long.MaxValue ? this : new(Environment.TickCount64 + ((long)Left.TotalMilliseconds / parts));
}
