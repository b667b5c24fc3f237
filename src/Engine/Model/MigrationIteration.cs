namespace PsMigrate.Engine.Model;

/// <summary>One pass of a migration: from one synchronisation of the dirty log to the next. Immutable.</summary>
public sealed record MigrationIteration
{
    /// <summary>The migration's number in this process.</summary>
    public required int Id { get; init; }

    /// <summary>The guest.</summary>
    public required string Name { get; init; }

    /// <summary>The state when the pass ended.</summary>
    public required MigrationStatus State { get; init; }

    /// <summary>The phase when the pass ended.</summary>
    public required MigrationPhase Phase { get; init; }

    /// <summary>When the pass ended, UTC.</summary>
    public required DateTime Timestamp { get; init; }

    /// <summary>Which pass, from 1 (QEMU's dirty-sync-count).</summary>
    public required int Iteration { get; init; }

    /// <summary>In which attempt, from 1; passes and figures of each begin anew, but for TotalTime.</summary>
    public int Attempt { get; init; } = 1;

    /// <summary>Whether this is the last one; it then carries <see cref="Result"/>.</summary>
    public bool IsFinal { get; init; }

    /// <summary>Pages sent in this pass.</summary>
    public long Pages { get; init; }

    /// <summary>Bytes written to the link in this pass.</summary>
    public long Bytes { get; init; }

    /// <summary>How long the pass took.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>Pages found dirty by the synchronisation that ended this pass.</summary>
    public long DirtyPages { get; init; }

    /// <summary>RAM of the guest.</summary>
    public long TotalBytes { get; init; }

    /// <summary>Bytes written to the link since the start.</summary>
    public long TransferredBytes { get; init; }

    /// <summary>Bytes of dirty pages still to send.</summary>
    public long RemainingBytes { get; init; }

    /// <summary>Pages sent as they are, since the start.</summary>
    public long NormalPages { get; init; }

    /// <summary>Zero pages sent, since the start.</summary>
    public long ZeroPages { get; init; }

    /// <summary>Pages that are mostly zero, sent as the bytes that are not, since the start.</summary>
    public long SparsePages { get; init; }

    /// <summary>Pages of which a difference was made, since the start, also where it was empty or too long (QEMU's xbzrle-cache.pages).</summary>
    public long XbzrlePages { get; init; }

    /// <summary>The counters of differences (QEMU's xbzrle-cache); null without -Xbzrle.</summary>
    public XbzrleFigures? Xbzrle { get; init; }

    /// <summary>What compressing has brought; null without -Compression.</summary>
    public CompressionFigures? Compression { get; init; }

    /// <summary>How fast the guest dirties distinct pages, bytes/s, over this pass.</summary>
    public double DirtyRate { get; init; }

    /// <summary>
    /// What the guest wrote, bytes of pages per second over this pass, one that was written twice twice; null where nobody counts that, as of the guests
    /// of a QEMU.
    /// </summary>
    public double? WriteRate { get; init; }

    /// <summary>What the link carried, bytes/s, over the last window of 100 ms or more.</summary>
    public double Bandwidth { get; init; }

    /// <summary>How long the switch-over would take now; null before the first synchronisation.</summary>
    public TimeSpan? EstimatedDowntime { get; init; }

    /// <summary>How long it may take.</summary>
    public TimeSpan MaxDowntime { get; init; }

    /// <summary>How long it may take by the policy, which begins lower where it says so, and never goes above MaxDowntime.</summary>
    public TimeSpan DowntimeLimit
    {
        get => field == TimeSpan.Zero ? MaxDowntime : field;
        init;
    }

    /// <summary>How much the guest's vCPUs are slowed down, percent.</summary>
    public int ThrottlePercent { get; init; }

    /// <summary>From the start to the first page.</summary>
    public TimeSpan SetupTime { get; init; }

    /// <summary>Since the start.</summary>
    public TimeSpan TotalTime { get; init; }

    /// <summary>How long the guest stood still, by part; null until the end.</summary>
    public DowntimeParts? DowntimeParts { get; init; }

    /// <summary>How long the guest stood still; null until the end.</summary>
    public TimeSpan? Downtime => DowntimeParts?.Total;

    /// <summary>What it leaves for a trace; null where none is recorded, and of a QEMU.</summary>
    internal TraceNotes? Notes { get; init; }

    /// <summary>How it ended; only in the last one.</summary>
    public MigrationResult? Result { get; init; }

    /// <summary>The same in QEMU's names and units.</summary>
    public required QemuFigures Qemu { get; init; }
}
