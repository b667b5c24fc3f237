namespace PsMigrate.Engine.Model;

/// <summary>One pass of a trace.</summary>
public sealed record TracePass
{
    /// <summary>Which, from 1.</summary>
    public required int Number { get; init; }

    /// <summary>When it began, since the start of the migration.</summary>
    public required TimeSpan Start { get; init; }

    /// <summary>How long it took, from one look at the dirty log to the next.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>Of that, how long pages were sent: under a limit the rest was waiting. Zero where that is not known.</summary>
    public TimeSpan Busy { get; init; }

    /// <summary>Pages sent as they are.</summary>
    public long NormalPages { get; init; }

    /// <summary>Zero pages sent; also those that were never written.</summary>
    public long ZeroPages { get; init; }

    /// <summary>Pages sent as the bytes that are not zero.</summary>
    public long SparsePages { get; init; }

    /// <summary>Pages sent as differences.</summary>
    public long XbzrlePages { get; init; }

    /// <summary>Bytes on the wire.</summary>
    public long Bytes { get; init; }

    /// <summary>Bytes of pages that were left at its end.</summary>
    public long RemainingBytes { get; init; }

    /// <summary>Distinct pages that the guest wrote in it, as the migration counted them.</summary>
    public long DirtyPages { get; init; }

    /// <summary>What the link carried at its end, bytes/s.</summary>
    public double Bandwidth { get; init; }

    /// <summary>What it was allowed to, bytes/s; 0 is no limit.</summary>
    public long MaxBandwidth { get; init; }

    /// <summary>How long the guest might have stood still by the policy.</summary>
    public TimeSpan DowntimeLimit { get; init; }

    /// <summary>How much the vCPUs were slowed down at its end, percent.</summary>
    public int ThrottlePercent { get; init; }

    /// <summary>Whether differences of pages were sent.</summary>
    public bool UsesDifferences { get; init; }

    /// <summary>Bytes that each vCPU wrote in it, where a page that was written twice counts twice; empty where that is not known.</summary>
    public long[] Written { get; init; } = [];

    /// <summary>How long each vCPU was held back in it; empty where that is not known.</summary>
    public TimeSpan[] Held { get; init; } = [];

    /// <summary>Of each region, pages in the log at its end, since the region was looked at, or else since its begin. Empty where none were told.</summary>
    public int[] Found { get; init; } = [];

    /// <summary>Of each region, pages in the log when it was looked at, which is right before its pages went.</summary>
    public int[] Looked { get; init; } = [];

    /// <summary>When that was, in seconds since the begin of the pass; -1 where it was not looked at, since nothing of it was to be sent.</summary>
    public double[] LookedAt { get; init; } = [];

    /// <summary>
    /// Distinct memory that the guest had dirtied so long after the begin of the pass. Regions are looked at one after the other as the
    /// sender comes to them, so that each tells of another moment; what they had by then of what they had at the end is taken for all.
    /// </summary>
    public DirtyCurvePoint[] Curve => TraceCurvePoints.Of(this);

    internal bool HasRegions => Found.Length > 0;

    /// <summary>Whether a region was looked at before the end.</summary>
    internal bool WasLookedAt(int region) => LookedAt[region] >= 0;

    /// <summary>One line.</summary>
    public override string ToString() =>
        FormattableString.Invariant($"{Number}: {Duration.TotalSeconds:0.000} s, {Bytes} bytes sent, {RemainingBytes} left");
}

/// <summary>How the migration of a trace ended.</summary>
public sealed record TraceOutcome
{
    /// <summary>Its state; Completed where the guest went.</summary>
    public required MigrationStatus State { get; init; }

    /// <summary>Whether it went before its memory.</summary>
    public bool WentOver { get; init; }

    /// <summary>From start to end.</summary>
    public TimeSpan TotalTime { get; init; }

    /// <summary>How long the guest stood still, without what was asked for on top (digests, waiting for leave).</summary>
    public TimeSpan Downtime { get; init; }

    /// <summary>Bytes on the wire.</summary>
    public long TransferredBytes { get; init; }

    /// <summary>Pages that went while the guest stood.</summary>
    public long FinalPages { get; init; }

    /// <summary>How long each vCPU was held back; empty where nobody counts that.</summary>
    public TimeSpan[] ThrottledTime { get; init; } = [];

    /// <summary>How long vCPUs waited for memory in postcopy, all together; null where that was not told.</summary>
    public TimeSpan? StalledTime { get; init; }

    /// <summary>One line.</summary>
    public override string ToString() =>
        FormattableString.Invariant($"{State} after {TotalTime.TotalSeconds:0.00} s, downtime {Downtime.TotalMilliseconds:0.0} ms, {TransferredBytes >> 20} MB");
}
