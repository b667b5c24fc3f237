namespace PsMigrate.Engine.Convergence;

/// <summary>QEMU's rule for the switch-over (migration_update_counters, migration_iteration_run). Pure.</summary>
static class SwitchoverRule
{
    /// <summary>
    /// Bytes that may be left at the switch-over: what the link carries within the downtime allowed. Bandwidths in bytes/s;
    /// <paramref name="switchoverBandwidth"/> overrides the measured one when it is not 0.
    /// </summary>
    public static long Threshold(double bandwidth, long switchoverBandwidth, TimeSpan maxDowntime) =>
        (long)Math.Min((switchoverBandwidth > 0 ? switchoverBandwidth : bandwidth) * maxDowntime.TotalSeconds, long.MaxValue / 2);

    /// <summary>Whether what is left can be sent with the guest stopped.</summary>
    public static bool MaySwitchOver(long pending, long threshold) => pending <= threshold;

    /// <summary>How long sending what is left would take; null without a bandwidth.</summary>
    public static TimeSpan? EstimatedDowntime(long pending, double bandwidth, long switchoverBandwidth)
    {
        var expected = switchoverBandwidth > 0 ? switchoverBandwidth : bandwidth;
        return expected <= 0 ? null : TimeSpan.FromSeconds(Math.Min(pending / expected, TimeSpan.MaxValue.TotalSeconds / 2));
    }
}
