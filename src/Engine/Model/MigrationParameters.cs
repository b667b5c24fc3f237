namespace PsMigrate.Engine.Model;

/// <summary>What the user asks of one migration. Names follow QEMU's parameters; sizes are bytes, rates bytes per second.</summary>
public sealed record MigrationParameters
{
    /// <summary>QEMU's <c>downtime-limit</c>: how long the guest may stand still. 1 ms to 2000 s, 300 ms by default.</summary>
    public TimeSpan MaxDowntime { get; init; } = TimeSpan.FromMilliseconds(300);

    /// <summary>QEMU's <c>max-bandwidth</c>, bytes/s; 0 (the default) is unlimited.</summary>
    public long MaxBandwidth { get; init; }

    /// <summary>QEMU's <c>avail-switchover-bandwidth</c>, bytes/s; 0 takes the measured bandwidth.</summary>
    public long SwitchoverBandwidth { get; init; }

    /// <summary>The migration fails, with the guest at the source, when it has not switched over by then; null waits for ever.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Hold the guest until the digests of both ends agree.</summary>
    public bool Verify { get; init; }

    /// <summary>Keep the source guest, suspended, after success.</summary>
    public bool KeepSource { get; init; }

    /// <summary>QEMU's <c>pause-before-switchover</c>: stop the guest, then wait for leave to go on.</summary>
    public bool PauseBeforeSwitchover { get; init; }

    /// <summary>How long to wait for a connection.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the destination may take for an answer (pong, acceptance, READY, RUNNING).</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long to try to meet the destination again when the link was lost after RUN; 0 asks once.</summary>
    public TimeSpan SettleTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Throws <see cref="MigrationErrorId.InvalidParameter"/> for a value outside its range.</summary>
    public MigrationParameters Validate()
    {
        CheckDowntime(MaxDowntime);
        CheckBandwidth(MaxBandwidth, nameof(MaxBandwidth));
        CheckBandwidth(SwitchoverBandwidth, nameof(SwitchoverBandwidth));
        if (Timeout <= TimeSpan.Zero) throw MigrationException.Invalid($"Timeout must be longer than 0, and is {Timeout}.");
        CheckPositive(ConnectTimeout, nameof(ConnectTimeout));
        CheckPositive(AnswerTimeout, nameof(AnswerTimeout));
        if (SettleTimeout < TimeSpan.Zero || SettleTimeout > LongestWait)
            throw MigrationException.Invalid($"SettleTimeout must be 0 (ask once) to {LongestWait.TotalDays} days, and is {SettleTimeout}.");
        return this;
    }

    internal static void CheckDowntime(TimeSpan value)
    {
        if (value < TimeSpan.FromMilliseconds(1) || value > TimeSpan.FromSeconds(2000))
            throw MigrationException.Invalid($"MaxDowntime must be 1 ms to 2000 s, and is {value.TotalMilliseconds} ms.");
    }

    internal static void CheckBandwidth(long value, string name)
    {
        if (value < 0)
            throw MigrationException.Invalid($"{name} must be 0 (no limit) or bytes per second, and is {value}.");
    }

    /// <summary>What the system's timers can hold.</summary>
    internal static readonly TimeSpan LongestWait = TimeSpan.FromDays(24);

    /// <summary>A wait that the system's timers can hold; whoever waits longer looks again.</summary>
    internal static TimeSpan Bounded(TimeSpan wait) => wait < LongestWait ? wait : LongestWait;

    internal static void CheckPositive(TimeSpan value, string name)
    {
        if (value <= TimeSpan.Zero || value > LongestWait)
            throw MigrationException.Invalid($"{name} must be longer than 0 and at most {LongestWait.TotalDays} days, and is {value}.");
    }
}
