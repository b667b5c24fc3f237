namespace PsMigrate.Engine.Convergence;

/// <summary>What is known of a migration at one moment. Bytes and bytes/s.</summary>
/// <param name="Pending">Left to send in this pass.</param>
/// <param name="DirtyRate">Distinct pages dirtied, bytes/s; null before it was measured.</param>
/// <param name="Bandwidth">What the link carries; 0 before it was measured.</param>
/// <param name="Threshold">What may be left at the switch-over.</param>
readonly record struct ForecastInput(long Pending, double? DirtyRate, double Bandwidth, long Threshold);

/// <summary>
/// How long a precopy will still take: passes over memory that shrink by the ratio of dirty rate to bandwidth, until what is
/// left fits (the geometric model of precopy, e.g. Clark et al., NSDI 2005). Pure.
/// </summary>
static class Forecast
{
    /// <summary>No estimate where passes hardly shrink.</summary>
    const double HopelessRatio = 0.98;

    /// <summary>Time to the switch-over; null when there is no figure yet, or when it would not come.</summary>
    public static TimeSpan? TimeToSwitchover(ForecastInput input)
    {
        if (input.Bandwidth <= 0) return null;
        var ratio = (input.DirtyRate ?? 0) / input.Bandwidth;
        double pending = input.Pending;
        double seconds = 0;
        // Less than a byte is nothing; without that, rounding would keep the smallest number for ever where nothing may be left.
        while (pending > input.Threshold && pending >= 1)
        {
            if (ratio >= HopelessRatio) return null;
            var pass = pending / input.Bandwidth;
            seconds += pass;
            if (seconds > TimeSpan.FromDays(30).TotalSeconds) return null;
            pending = pass * (input.DirtyRate ?? 0);
        }
        return TimeSpan.FromSeconds(seconds);
    }

    /// <summary>
    /// Percent of the whole, from the time that passed and the time that is left. Never less than before, and below 100 until
    /// the end; null without an estimate.
    /// </summary>
    public static int? Percent(TimeSpan elapsed, TimeSpan? left, int before)
    {
        if (left is not { } remaining) return null;
        var whole = elapsed + remaining;
        if (whole <= TimeSpan.Zero) return before;
        return Math.Max(before, Math.Min(99, (int)(100 * (elapsed / whole))));
    }
}
