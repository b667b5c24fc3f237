using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>What <see cref="BottleneckRule"/> looks at. Bytes and bytes/s.</summary>
readonly record struct BottleneckInput(
    MigrationStatus Status, int Pass, double Bandwidth, long MaxBandwidth, double? DirtyRate, long Pending, long Threshold,
    TimeSpan? EstimatedDowntime, TimeSpan MaxDowntime, bool WaitsForDestination);

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
        if (input.WaitsForDestination)
            return (MigrationBottleneck.WaitingForDestination, "All is sent; the destination loads it.");
        if (input.Status == MigrationStatus.PostcopyActive)
            return IsCapped(input.Bandwidth, input.MaxBandwidth)
                ? (MigrationBottleneck.BandwidthCapped, $"What the guest lacks follows it at {Rate(input.MaxBandwidth)}: Set-Migration -MaxPostcopyBandwidth.")
                : (MigrationBottleneck.None, "The guest runs at the destination, and what it lacks follows it.");
        if (input.Status is MigrationStatus.PostcopyPaused or MigrationStatus.PostcopyRecoverSetup or MigrationStatus.PostcopyRecover)
            return (MigrationBottleneck.None, "The link is broken, and a part of the guest is at each end: Resume-Migration goes on.");
        if (input.Status is MigrationStatus.Device or MigrationStatus.PostcopyDevice) return (MigrationBottleneck.SwitchingOver, "");
        if (input.Status != MigrationStatus.Active || input.Bandwidth <= 0) return (MigrationBottleneck.Starting, "");
        return Active(input);
    }

    /// <summary>Whether the limit is what holds it back; 0 is none. Bytes/s.</summary>
    public static bool IsCapped(double bandwidth, long maxBandwidth) => maxBandwidth > 0 && bandwidth >= CapBinds * maxBandwidth;

    static (MigrationBottleneck, string) Active(BottleneckInput input)
    {
        var isCapped = IsCapped(input.Bandwidth, input.MaxBandwidth);
        if (input.Pass <= 1)
            return isCapped
                ? (MigrationBottleneck.BandwidthCapped, $"The first pass is held at {Rate(input.MaxBandwidth)}: Set-Migration -MaxBandwidth.")
                : (MigrationBottleneck.FirstPass, "The first pass sends all memory once.");
        if (input.DirtyRate >= input.Bandwidth)
        {
            var rates = $"The guest dirties {Rate(input.DirtyRate.Value)}, the link carries {Rate(input.Bandwidth)}";
            return isCapped
                ? (MigrationBottleneck.BandwidthCapped, $"{rates}, its limit: Set-Migration -MaxBandwidth above the dirty rate.")
                : (MigrationBottleneck.DirtyRateExceedsBandwidth, $"{rates}: a quieter guest, a faster link, or a longer -MaxDowntime.");
        }
        if (input.Pending > input.Threshold && input.EstimatedDowntime is { } estimate && estimate > input.MaxDowntime)
            return (MigrationBottleneck.DowntimeBudgetTooSmall,
                $"Switching over now would take {estimate.TotalMilliseconds:0} ms, {input.MaxDowntime.TotalMilliseconds:0} ms are allowed: Set-Migration -MaxDowntime.");
        return isCapped
            ? (MigrationBottleneck.BandwidthCapped, $"Held at {Rate(input.MaxBandwidth)}: Set-Migration -MaxBandwidth.")
            : (MigrationBottleneck.None, "");
    }

    static string Rate(double bytesPerSecond) => $"{bytesPerSecond / (1 << 20):0} MB/s";
}
