namespace PsMigrate.Engine.Model;

/// <summary>How a migration ended, or would have.</summary>
public enum ReplayEnd
{
    /// <summary>It switched over: the guest went with the last of its memory.</summary>
    SwitchedOver,

    /// <summary>The guest went over before its memory (postcopy).</summary>
    WentOver,

    /// <summary>It was cancelled, by a policy or by its time; the guest stays.</summary>
    Cancelled,

    /// <summary>It failed; the guest stays, or is in doubt.</summary>
    Failed,

    /// <summary>It would go on for ever.</summary>
    Never,
}

/// <summary>What of a replay may differ from what was recorded; null leaves it as it was.</summary>
public sealed record ReplayOptions
{
    /// <summary>How long the guest may stand still.</summary>
    public TimeSpan? MaxDowntime { get; init; }

    /// <summary>How much its vCPUs may be slowed down, percent, 0 to 99.</summary>
    public int? MaxThrottle { get; init; }

    /// <summary>What may be sent, bytes/s; 0 is no limit.</summary>
    public long? MaxBandwidth { get; init; }

    /// <summary>What the link carries, bytes/s; by default what it showed.</summary>
    public double? Bandwidth { get; init; }

    /// <summary>When it is given up, or what <see cref="OnTimeout"/> says is done.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>What is done then.</summary>
    public TimeoutAction? OnTimeout { get; init; }

    /// <summary>Whether policies may let it go over; and one more row in which it does so after the first pass.</summary>
    public bool Postcopy { get; init; }
}

/// <summary>How a recorded migration would have gone under a policy, or how it went.</summary>
public sealed record PolicyReplay
{
    /// <summary>The guest.</summary>
    public required string Name { get; init; }

    /// <summary>The policy.</summary>
    public required string Policy { get; init; }

    /// <summary>Whether this is what happened, and no replay.</summary>
    public bool IsActual { get; init; }

    /// <summary>How it ended.</summary>
    public required ReplayEnd End { get; init; }

    /// <summary>Whether the guest went.</summary>
    public bool Converged => End is ReplayEnd.SwitchedOver or ReplayEnd.WentOver;

    /// <summary>From start to end; until it was given up where it does not end.</summary>
    public required TimeSpan TotalTime { get; init; }

    /// <summary>How long the guest stood still; null where it did not go.</summary>
    public TimeSpan? Downtime { get; init; }

    /// <summary>Over the link.</summary>
    public required long TransferredBytes { get; init; }

    /// <summary>Passes over memory while the guest ran; what went while it stood, or after it went over, is none.</summary>
    public ForecastPass[] Passes { get; init; } = [];

    /// <summary>How long each vCPU was held back.</summary>
    public TimeSpan[] ThrottledTime { get; init; } = [];

    /// <summary>How long vCPUs waited for memory in postcopy, all together; null without it, or not told.</summary>
    public TimeSpan? StalledTime { get; init; }

    /// <summary>Which share of its time until it went the guest did not have, 0 to 1, by throttles; what it stood and waited comes on top.</summary>
    public double Slowdown { get; init; }

    /// <summary>What was decided on the way.</summary>
    public MigrationDecision[] Decisions { get; init; } = [];

    /// <summary>In plain words, beside what happened.</summary>
    public required string Answer { get; init; }

    /// <summary>
    /// By which share of the total time the trace replayed under its own policy is off from what happened: how far replays can be trusted.
    /// Null where what happened can't be replayed.
    /// </summary>
    public double? ModelError { get; init; }

    /// <summary>What is taken for granted.</summary>
    public string[] Assumptions { get; init; } = [];

    /// <summary>One line.</summary>
    public override string ToString() => $"{Policy}: {Answer}";
}
