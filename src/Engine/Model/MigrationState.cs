namespace PsMigrate.Engine.Model;

/// <summary>What the other end turned out to be.</summary>
public enum PeerKind
{
    /// <summary>Not known yet.</summary>
    Unknown,

    /// <summary>A receiver of this project.</summary>
    PsMigrate,

    /// <summary>A QEMU.</summary>
    Qemu,
}

/// <summary>The full picture of one outgoing migration at one moment: QEMU's <c>query-migrate</c> and more. Immutable.</summary>
public sealed record MigrationState
{
    /// <summary>The migration's number in this process.</summary>
    public required int Id { get; init; }

    /// <summary>The guest.</summary>
    public required string Name { get; init; }

    /// <summary>The state.</summary>
    public required MigrationStatus State { get; init; }

    /// <summary>
    /// The states that a QEMU reported, in its own words and in order, the present one last; it may know some that <see cref="State"/> does
    /// not. Empty for a guest of this process.
    /// </summary>
    public string[] QemuStates { get; init; } = [];

    /// <summary>The present one of these; null for a guest of this process.</summary>
    public string? QemuStatus => QemuStates.LastOrDefault();

    /// <summary>Whether a QEMU was at it already when its guest was connected.</summary>
    public bool IsAdopted { get; init; }

    /// <summary>The phase the sending thread is in.</summary>
    public required MigrationPhase Phase { get; init; }

    /// <summary>The phase's number in the diagram.</summary>
    public string PhaseNumber => MigrationPhases.Number(Phase);

    /// <summary>When this was taken, UTC.</summary>
    public required DateTime Timestamp { get; init; }

    /// <summary>Where the guest goes.</summary>
    public required string Destination { get; init; }

    /// <summary>What the other end is.</summary>
    public PeerKind Peer { get; init; }

    /// <summary>Where the guest is now.</summary>
    public GuestLocation Location { get; init; }

    /// <summary>
    /// How far it is by time, 0 to 100, never backwards within an attempt and 100 at the end alone; null when there is no estimate, for one
    /// because it would not end as it goes.
    /// </summary>
    public int? PercentComplete { get; init; }

    /// <summary>How long it will still take; null when there is no estimate.</summary>
    public TimeSpan? RemainingTime { get; init; }

    /// <summary>Why it is not done yet.</summary>
    public MigrationBottleneck Bottleneck { get; init; }

    /// <summary>The lever that would help, in words.</summary>
    public string Advice { get; init; } = "";

    /// <summary>What would end it, or end it sooner, each alone and with what would come of it by the passes so far. Empty where nothing is known yet.</summary>
    public ForecastLever[] Levers { get; init; } = [];

    /// <summary>The figures as they are now, as an unfinished pass.</summary>
    public required MigrationIteration Current { get; init; }

    /// <summary>The passes that have ended.</summary>
    public MigrationIteration[] Iterations { get; init; } = [];

    /// <summary>The phases entered so far, in the order in which they were first entered.</summary>
    public PhaseRecord[] Phases { get; init; } = [];

    /// <summary>What the engine decided by itself.</summary>
    public MigrationDecision[] Decisions { get; init; } = [];

    /// <summary>With Retries: each attempt so far, the present one last.</summary>
    public MigrationAttempt[] Attempts { get; init; } = [];

    /// <summary>What the user asked for, as it stands now.</summary>
    public required MigrationParameters Parameters { get; init; }

    /// <summary>How it ended; null while it runs.</summary>
    public MigrationResult? Result { get; init; }

    /// <summary>What the guest wrote in each pass and how they went, so far; null where it is not recorded (RecordTrace).</summary>
    public MigrationTrace? Trace => MigrationTrace.Of(this);

    /// <summary>How long the guest stood still; null until the end.</summary>
    public TimeSpan? Downtime => Result?.Downtime;

    /// <summary>The same by part; null until the end.</summary>
    public DowntimeParts? DowntimeParts => Result?.DowntimeParts;

    /// <summary>What went wrong; null while nothing has.</summary>
    public MigrationException? Error => Result?.Error;
}

/// <summary>What became of a request to cancel.</summary>
public enum CancelOutcome
{
    /// <summary>Cancelled: the guest stayed at the source.</summary>
    Cancelled,

    /// <summary>Too late: the destination has leave to run the guest.</summary>
    TooLate,

    /// <summary>The migration had ended before.</summary>
    AlreadyEnded,

    /// <summary>A paused postcopy was given up: what the guest did since it went over is lost.</summary>
    GivenUp,

    /// <summary>The request was taken, and nobody waited for the answer.</summary>
    Requested,
}

/// <summary>The answer to a request to cancel.</summary>
/// <param name="Id">The migration's number.</param>
/// <param name="Name">The guest.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Reason">Why.</param>
/// <param name="State">The migration's state afterwards.</param>
/// <param name="Location">Where the guest is.</param>
public sealed record CancelAnswer(
    int Id, string Name, CancelOutcome Outcome, string Reason, MigrationStatus State, GuestLocation Location);
