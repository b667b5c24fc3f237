using System.Globalization;

namespace PsMigrate.Engine.Model;

/// <summary>Counters of one migration, in QEMU's names and QEMU's units (<c>query-migrate</c>, qapi/migration.json).</summary>
/// <param name="Total">ram.total, bytes.</param>
/// <param name="Remaining">ram.remaining, bytes.</param>
/// <param name="Transferred">ram.transferred, bytes.</param>
/// <param name="Duplicate">ram.duplicate, pages.</param>
/// <param name="Normal">ram.normal, pages.</param>
/// <param name="DirtySyncCount">ram.dirty-sync-count.</param>
/// <param name="DirtyPagesRate">ram.dirty-pages-rate, pages/s.</param>
/// <param name="Mbps">ram.mbps, 10^6 bit/s.</param>
/// <param name="PagesPerSecond">ram.pages-per-second.</param>
/// <param name="ExpectedDowntime">expected-downtime, ms.</param>
/// <param name="SetupTime">setup-time, ms.</param>
/// <param name="TotalTime">total-time, ms.</param>
public sealed record QemuFigures(
    long Total, long Remaining, long Transferred, long Duplicate, long Normal, int DirtySyncCount, long DirtyPagesRate, double Mbps,
    double PagesPerSecond, long ExpectedDowntime, long SetupTime, long TotalTime)
{
    /// <summary>ram.page-size, bytes.</summary>
    public int PageSize { get; } = 4096;

    /// <summary>ram.normal-bytes.</summary>
    public long NormalBytes => Normal * PageSize;
}

/// <summary>How long the guest stood still, by part, to the microsecond. The clock is the source's.</summary>
/// <param name="Stop">Until each vCPU stood between two ticks.</param>
/// <param name="FinalRam">From there to the last page written: the last look at the log, and what was dirty.</param>
/// <param name="State">vCPUs, devices and description.</param>
/// <param name="Verify">Waiting for and comparing the digests (only with -Verify).</param>
/// <param name="Handover">From the last byte of state to RUN: the destination loads, and says READY.</param>
/// <param name="Resume">From RUN to the word that the guest runs.</param>
/// <param name="Waiting">Stopped on the user's wish before the switch-over (pause-before-switchover).</param>
public sealed record DowntimeParts(
    TimeSpan Stop, TimeSpan FinalRam, TimeSpan State, TimeSpan Verify, TimeSpan Handover, TimeSpan Resume, TimeSpan Waiting)
{
    /// <summary>No downtime.</summary>
    public static DowntimeParts Zero { get; } =
        new(TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero);

    /// <summary>The sum of the parts.</summary>
    public TimeSpan Total => Stop + FinalRam + State + Verify + Handover + Resume + Waiting;

    /// <summary>One line with the parts that are not zero.</summary>
    public override string ToString() => string.Join(", ", new[]
    {
        ("stop", Stop), ("final RAM", FinalRam), ("state", State), ("verify", Verify), ("handover", Handover), ("resume", Resume), ("waiting", Waiting),
    }.Where(part => part.Item2 > TimeSpan.Zero).Select(part => $"{part.Item1} {Short(part.Item2)} ms"));

    // A part may be some microseconds long; of one of many milliseconds nobody wants to read those.
    static string Short(TimeSpan part) => part.TotalMilliseconds.ToString(part.TotalMilliseconds < 10 ? "0.000" : "0.0", CultureInfo.InvariantCulture);
}

/// <summary>An automatic decision of the engine: nothing is traded silently.</summary>
/// <param name="Time">Since the start of the migration.</param>
/// <param name="What">What was decided.</param>
/// <param name="From">The value before.</param>
/// <param name="To">The value after.</param>
/// <param name="Reason">Why.</param>
public sealed record MigrationDecision(TimeSpan Time, string What, string From, string To, string Reason)
{
    /// <summary>Whether the user should hear of it without asking: something failed, or can be lost.</summary>
    public bool IsWarning { get; init; }

    /// <summary>The name under which whoever is asked about passes decides (<see cref="MigrationParameters.OnIterationTimeout"/>).</summary>
    public const string OnIteration = nameof(OnIteration);

    /// <summary>The policy that decided it, or <see cref="OnIteration"/>; empty for what the engine decides by itself.</summary>
    public string Policy { get; init; } = "";

    /// <summary>The stable identifier of what went wrong without being the end of the migration; null where nothing did.</summary>
    public MigrationErrorId? Error { get; init; }

    /// <summary>Whether it was recorded only, and not done.</summary>
    public bool IsObserved { get; init; }
}

/// <summary>Why a running migration is not done yet.</summary>
public enum MigrationBottleneck
{
    /// <summary>Nothing holds it up, or it has ended.</summary>
    None,

    /// <summary>It connects, or has not sent enough for a figure.</summary>
    Starting,

    /// <summary>The first pass over all memory goes on.</summary>
    FirstPass,

    /// <summary>The guest writes faster than the link carries.</summary>
    DirtyRateExceedsBandwidth,

    /// <summary>The limit on bandwidth binds.</summary>
    BandwidthCapped,

    /// <summary>What is left would take longer than the downtime allowed.</summary>
    DowntimeBudgetTooSmall,

    /// <summary>It waits for Complete-Migration.</summary>
    WaitingForSwitchover,

    /// <summary>The guest is stopped; the last pages and the state are on their way.</summary>
    SwitchingOver,

    /// <summary>The destination is loading, or silent.</summary>
    WaitingForDestination,

    /// <summary>The guest runs at the destination, and its memory follows.</summary>
    MemoryFollows,

    /// <summary>In postcopy the link is broken; it waits for Resume-Migration.</summary>
    WaitingForRecovery,

    /// <summary>The destination takes what comes more slowly than the link brings it.</summary>
    ReceiverSlow,

    /// <summary>The sending thread makes what it sends more slowly than the link takes it.</summary>
    SourceCpuBound,

    /// <summary>Suspend-Migration has broken the link of a postcopy; it waits for Resume-Migration.</summary>
    Paused,
}
