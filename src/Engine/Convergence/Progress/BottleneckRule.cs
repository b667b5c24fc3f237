using System.Globalization;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>What <see cref="BottleneckRule"/> looks at. Bytes and bytes/s.</summary>
readonly record struct BottleneckInput(
    MigrationStatus Status, int Pass, double Bandwidth, long MaxBandwidth, double? DirtyRate, long Pending, long Threshold,
    TimeSpan? EstimatedDowntime, TimeSpan MaxDowntime, bool WaitsForDestination)
{
    /// <summary>Whether the limit is a policy's, below the user's.</summary>
    public bool IsPolicysLimit { get; init; }

    /// <summary>What the sending thread does with its time; null where nobody measures it.</summary>
    public SenderLoad? Load { get; init; }

    /// <summary>Whether the link of a postcopy was broken by the user.</summary>
    public bool IsPausedOnPurpose { get; init; }

    /// <summary>What would help, with what would come of it; null where that was not asked for.</summary>
    public ForecastLever[]? Levers { get; init; }
}

/// <summary>Why a migration is not done yet, in one word, and the lever that would help. Pure.</summary>
static class BottleneckRule
{
    // The limit binds when the link carries nearly that much.
    const double CapBinds = 0.9;

    public static (MigrationBottleneck Bottleneck, string Advice) Explain(BottleneckInput input)
    {
        if (MigrationTransitions.IsEnded(input.Status) || input.Status == MigrationStatus.None) return (MigrationBottleneck.None, "");
        if (input.Status == MigrationStatus.PreSwitchover)
            return (MigrationBottleneck.WaitingForSwitchover, "The guest is stopped and waits: Complete-Migration switches over, Stop-Migration goes back.");
        if (MigrationTransitions.IsPostcopy(input.Status)) return Postcopy(input);
        if (input.WaitsForDestination)
            return (MigrationBottleneck.WaitingForDestination, "All is sent; the destination loads it.");
        if (input.Status == MigrationStatus.Device) return (MigrationBottleneck.SwitchingOver, "");
        if (input.Status != MigrationStatus.Active || input.Bandwidth <= 0) return (MigrationBottleneck.Starting, "");
        var (bottleneck, advice) = Active(input);
        var lever = LeverRule.For(bottleneck, input.Levers ?? []);
        return (bottleneck, lever is null ? advice : $"{advice} {LeverRule.Sentence(lever)}".Trim());
    }

    /// <summary>Whether the limit is what holds it back; 0 is none. Bytes/s.</summary>
    public static bool IsCapped(double bandwidth, long maxBandwidth) => maxBandwidth > 0 && bandwidth >= CapBinds * maxBandwidth;

    static (MigrationBottleneck, string) Postcopy(BottleneckInput input) => input.Status switch
    {
        MigrationStatus.PostcopyPaused when input.IsPausedOnPurpose => (MigrationBottleneck.Paused,
            "Suspend-Migration has broken the link, and the guest waits at the destination wherever it needs memory that is still here: Resume-Migration "
            + "goes on from there."),
        MigrationStatus.PostcopyPaused => (MigrationBottleneck.WaitingForRecovery,
            "The link is broken, and the guest waits at the destination wherever it needs memory that is still here. Resume-Migration goes on from "
            + "there, with -Destination by another way."),
        MigrationStatus.PostcopyRecoverSetup or MigrationStatus.PostcopyRecover =>
            (MigrationBottleneck.WaitingForDestination, "The ends are agreeing on what is missing."),
        MigrationStatus.PostcopyActive when IsCapped(input.Bandwidth, input.MaxBandwidth) => (MigrationBottleneck.BandwidthCapped,
            $"What the guest lacks follows it at {Rate(input.MaxBandwidth)}: Set-Migration -MaxPostcopyBandwidth."),
        MigrationStatus.PostcopyActive => (MigrationBottleneck.MemoryFollows,
            "The guest runs at the destination, and needs both ends until all of its memory is there."),
        _ => (MigrationBottleneck.SwitchingOver, ""),
    };

    static (MigrationBottleneck, string) Active(BottleneckInput input)
    {
        var isCapped = IsCapped(input.Bandwidth, input.MaxBandwidth);
        if (!isCapped && input.Load is { } load && Slowest(input, load) is { } slowest) return slowest;
        if (input.Pass <= 1)
            return isCapped
                ? (MigrationBottleneck.BandwidthCapped, $"The first pass is held at {Rate(input.MaxBandwidth)}{Raise(input)}.")
                : (MigrationBottleneck.FirstPass, "The first pass sends all memory once.");
        if (input.DirtyRate >= input.Bandwidth)
        {
            var rates = $"The guest dirties {Rate(input.DirtyRate.Value)}, the link carries {Rate(input.Bandwidth)}";
            return isCapped
                ? (MigrationBottleneck.BandwidthCapped, $"{rates}, its limit{Raise(input)} above the dirty rate.")
                : (MigrationBottleneck.DirtyRateExceedsBandwidth, $"{rates}: a quieter guest, a faster link, or a longer -MaxDowntime.");
        }
        if (input.Pending > input.Threshold && input.EstimatedDowntime is { } estimate && estimate > input.MaxDowntime)
            return (MigrationBottleneck.DowntimeBudgetTooSmall,
                $"Switching over now would take {estimate.TotalMilliseconds:0} ms, {input.MaxDowntime.TotalMilliseconds:0} ms are allowed: Set-Migration -MaxDowntime.");
        return isCapped
            ? (MigrationBottleneck.BandwidthCapped, $"Held at {Rate(input.MaxBandwidth)}{Raise(input)}.")
            : (MigrationBottleneck.None, "");
    }

    static string Raise(BottleneckInput input) => input.IsPolicysLimit ? " by the policy: Set-Migration -Policy, with a limit" : ": Set-Migration -MaxBandwidth";

    /// <summary>An end that holds the link up. Where the guest is done soon all the same, it is still what takes the time.</summary>
    static (MigrationBottleneck, string)? Slowest(BottleneckInput input, SenderLoad load) => load switch
    {
        { IsReceiverSlow: true } => (MigrationBottleneck.ReceiverSlow,
            $"The destination takes {Rate(input.Bandwidth)}; the link waits for it {Percent(load.Receiver)} of its time. It lacks processors or memory."),
        { IsSourceBusy: true, Channels: > 0 } => (MigrationBottleneck.SourceCpuBound,
            $"The threads that send are at work {Percent(load.Working)} of the time that there are processors for them, and make {Rate(input.Bandwidth)}: without "
            + "-Compression there is less to do; more -Channels help only where processors are idle."),
        { IsSourceBusy: true } => (MigrationBottleneck.SourceCpuBound,
            $"The sending thread has a processor {Percent(load.Working)} of the time, and makes {Rate(input.Bandwidth)}: -Channels would share the work, without "
            + "-Xbzrle and -Compression there is less of it."),
        _ => null,
    };

    static string Percent(double? share) => string.Create(CultureInfo.InvariantCulture, $"{100 * share:0} %");

    static string Rate(double bytesPerSecond) => $"{bytesPerSecond / (1 << 20):0} MB/s";
}
