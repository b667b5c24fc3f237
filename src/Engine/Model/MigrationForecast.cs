namespace PsMigrate.Engine.Model;

/// <summary>Whether a precopy would end.</summary>
public enum ForecastVerdict
{
    /// <summary>It would, as it is asked for.</summary>
    Converges,

    /// <summary>Not as it is asked for, but with any of the levers.</summary>
    ConvergesWith,

    /// <summary>It would not, and no lever was found that is enough.</summary>
    WillNotConverge,
}

/// <summary>Where the bandwidth of a forecast comes from.</summary>
public enum BandwidthOrigin
{
    /// <summary>The user gave it.</summary>
    Given,

    /// <summary>The last migration of this process to the same place had it.</summary>
    Remembered,

    /// <summary>A receiver was probed for it.</summary>
    Probed,

    /// <summary>Nobody knows more than the limit, which the link is taken to carry.</summary>
    Limit,
}

/// <summary>A page count, bytes and times of one pass that is forecast.</summary>
/// <param name="Iteration">Which pass, from 1; the last one goes while the guest stands.</param>
/// <param name="Duration">How long.</param>
/// <param name="Bytes">Over the link.</param>
/// <param name="RemainingBytes">Bytes of pages that are dirty after it.</param>
public sealed record ForecastPass(int Iteration, TimeSpan Duration, long Bytes, long RemainingBytes);

/// <summary>What a forecast promises: what the result is compared with.</summary>
public sealed record MigrationPromise
{
    /// <summary>Whether it would end.</summary>
    public required ForecastVerdict Verdict { get; init; }

    /// <summary>Whether the verdict may be another one within the ranges.</summary>
    public bool IsProbable { get; init; }

    /// <summary>From start to end; null where it does not end.</summary>
    public ForecastTime? TotalTime { get; init; }

    /// <summary>How long the guest stands (QEMU's expected-downtime); null where it does not end.</summary>
    public ForecastTime? Downtime { get; init; }

    /// <summary>
    /// The downtime by part; what is neither last pages nor state is in Handover: stopping, loading, and starting there. Null where it does not end.
    /// </summary>
    public DowntimeParts? DowntimeParts { get; init; }

    /// <summary>Over the link; null where it does not end.</summary>
    public ForecastBytes? TransferredBytes { get; init; }

    /// <summary>The most that the link carries, bytes/s, where somebody said so or it was probed; null else.</summary>
    public double? LinkBandwidth { get; init; }

    /// <summary>Its passes: from them, and from how it goes, comes how long a migration still takes.</summary>
    public ForecastPass[] Passes { get; init; } = [];

    /// <summary>One line.</summary>
    public override string ToString() => TotalTime is null
        ? Verdict.ToString()
        : $"{(IsProbable ? "probably " : "")}{TotalTime}, downtime {Downtime}, {TransferredBytes}";
}

/// <summary>How a migration would go: no guarantee, since guests change; the ranges show how sure it is.</summary>
public sealed record MigrationForecast
{
    /// <summary>The guest.</summary>
    public required string Name { get; init; }

    /// <summary>The host it lives on.</summary>
    public required string HostName { get; init; }

    /// <summary>Where it would go.</summary>
    public required string Destination { get; init; }

    /// <summary>How long it may stand.</summary>
    public required TimeSpan MaxDowntime { get; init; }

    /// <summary>What may be sent, bytes/s; 0 is no limit.</summary>
    public required long MaxBandwidth { get; init; }

    /// <summary>Who would choose how pages go.</summary>
    public MigrationMeans Means { get; init; }

    /// <summary>Further connections that would carry the pages.</summary>
    public int Channels { get; init; }

    /// <summary>How those would compress.</summary>
    public MigrationCompression Compression { get; init; }

    /// <summary>Whether pages that went before would go as what changed in them.</summary>
    public bool Xbzrle { get; init; }

    /// <summary>Whether it would end.</summary>
    public required ForecastVerdict Verdict { get; init; }

    /// <summary>Whether the verdict may be another one within what was measured: then it is "probably".</summary>
    public bool IsProbable { get; init; }

    /// <summary>Its passes; up to the one at which it was given up, where it does not end.</summary>
    public required ForecastPass[] Passes { get; init; }

    /// <summary>From start to end; null where it does not end.</summary>
    public ForecastTime? TotalTime { get; init; }

    /// <summary>How long the guest stands; null where it does not end.</summary>
    public ForecastTime? Downtime { get; init; }

    /// <summary>The same by part; what is neither last pages nor state is in Handover. Null where it does not end.</summary>
    public DowntimeParts? DowntimeParts { get; init; }

    /// <summary>Over the link; null where it does not end.</summary>
    public ForecastBytes? TransferredBytes { get; init; }

    /// <summary>What takes the time, or why it does not end.</summary>
    public MigrationBottleneck Bottleneck { get; init; }

    /// <summary>What would change the verdict or make it shorter, each with its own forecast.</summary>
    public required ForecastLever[] Levers { get; init; }

    /// <summary>What it takes for granted, in words.</summary>
    public required string[] Assumptions { get; init; }

    /// <summary>What the link is taken to carry, bytes/s.</summary>
    public required double Bandwidth { get; init; }

    /// <summary>Where that comes from.</summary>
    public BandwidthOrigin BandwidthOrigin { get; init; }

    /// <summary>What the guest dirtied while it was measured.</summary>
    public required DirtyCurve Curve { get; init; }

    /// <summary>How long it was measured.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>When it was made.</summary>
    public DateTime Timestamp { get; init; } = WallClock.Now;

    /// <summary>What Start-VmMigration takes along, for the result to be compared with.</summary>
    public MigrationPromise Promise => new()
    {
        Verdict = Verdict, IsProbable = IsProbable, TotalTime = TotalTime, Downtime = Downtime, TransferredBytes = TransferredBytes,
        DowntimeParts = DowntimeParts, Passes = Passes, LinkBandwidth = BandwidthOrigin is BandwidthOrigin.Given or BandwidthOrigin.Probed ? Bandwidth : null,
    };
}
