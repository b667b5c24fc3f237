namespace PsMigrate.Engine.Model;

/// <summary>How a migration ended. Immutable; a finished migration is a result, not one more state of a running one.</summary>
public sealed record MigrationResult
{
    /// <summary>The migration's number in this process.</summary>
    public required int Id { get; init; }

    /// <summary>The guest.</summary>
    public required string Name { get; init; }

    /// <summary>Completed, Cancelled or Failed.</summary>
    public required MigrationStatus State { get; init; }

    /// <summary>Where the guest is.</summary>
    public required GuestLocation Location { get; init; }

    /// <summary>The address it went to.</summary>
    public required string Destination { get; init; }

    /// <summary>When it ended, UTC.</summary>
    public required DateTime Timestamp { get; init; }

    /// <summary>Of a migration that can tell nothing else of itself.</summary>
    internal static MigrationResult Failed(int id, string name, string destination, MigrationException error) => new()
    {
        Id = id,
        Name = name,
        State = MigrationStatus.Failed,
        Location = error.Location ?? GuestLocation.InDoubt,
        Destination = destination,
        Timestamp = WallClock.Now,
        Error = error,
    };

    /// <summary>Passes over memory.</summary>
    public int Iterations { get; init; }

    /// <summary>Bytes written to the link.</summary>
    public long TransferredBytes { get; init; }

    /// <summary>From start to end.</summary>
    public TimeSpan TotalTime { get; init; }

    /// <summary>From the start to the first page.</summary>
    public TimeSpan SetupTime { get; init; }

    /// <summary>How long the guest was allowed to stand still.</summary>
    public TimeSpan MaxDowntime { get; init; }

    /// <summary>How long it stood still, by part.</summary>
    public DowntimeParts DowntimeParts { get; init; } = DowntimeParts.Zero;

    /// <summary>How long it stood still.</summary>
    public TimeSpan Downtime => DowntimeParts.Total;

    /// <summary>What a forecast promised; null where none was made.</summary>
    public MigrationPromise? Promised { get; init; }

    /// <summary>What it cost the guest to run before its memory was there, as the destination tells; null without postcopy, or not told.</summary>
    public PostcopyFigures? Postcopy { get; init; }

    /// <summary>How long each vCPU was held back meanwhile; empty where nobody counts that, as of the guests of a QEMU.</summary>
    public TimeSpan[] ThrottledTime { get; init; } = [];

    /// <summary>What the migration cost the guest; null of one that could not tell anything.</summary>
    public GuestCost? Cost { get; init; }

    /// <summary>What was promised beside what came; empty without a forecast, and of a migration that did not complete.</summary>
    public PromiseComparison[] Comparison => State == MigrationStatus.Completed && Promised is { } promise ? [.. PromiseComparison.Of(promise, this)] : [];

    /// <summary>Digest of RAM at the source when the guest stopped; only with Verify.</summary>
    public string? SourceDigest { get; init; }

    /// <summary>Digest of RAM at the destination before the guest started; only with Verify.</summary>
    public string? DestinationDigest { get; init; }

    /// <summary>Digest of name, uuid, vCPUs and devices at the source when the guest stopped; only with Verify.</summary>
    public string? SourceStateDigest { get; init; }

    /// <summary>
    /// The same at the destination before the guest started; only with Verify, and null where the destination is of an older release, which
    /// gives a digest of RAM alone.
    /// </summary>
    public string? DestinationStateDigest { get; init; }

    /// <summary>Whether digests were taken at both ends and agree: of RAM, and of the rest where the destination gives one.</summary>
    public bool Verified => SourceDigest is not null && SourceDigest == DestinationDigest
        && (DestinationStateDigest is null || SourceStateDigest == DestinationStateDigest);

    /// <summary>What a foreign peer was not sent, because it would have refused it.</summary>
    public string[] LeftOut { get; init; } = [];

    /// <summary>With Retries: each attempt, the last one last. The figures beside are of that one, but for TotalTime.</summary>
    public MigrationAttempt[] Attempts { get; init; } = [];

    /// <summary>What went wrong; null after success.</summary>
    public MigrationException? Error { get; init; }

    /// <summary>One line.</summary>
    public override string ToString() => Error is null
        ? $"{State}: guest {Location}, {TotalTime.TotalSeconds:0.0} s, downtime {Downtime.TotalMilliseconds:0.0} ms"
        : $"{State}: {Error.Message}";
}
