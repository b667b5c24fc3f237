using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>What <see cref="LeverRule"/> looks at. Bytes are of pages, bandwidths bytes/s.</summary>
/// <param name="Curve">What passes leave.</param>
/// <param name="Passes">Where the migration is.</param>
/// <param name="Elapsed">Since the start.</param>
/// <param name="Sent">Over the link so far.</param>
/// <param name="MaxDowntime">How long the guest may stand by the user; so is the threshold of the passes.</param>
/// <param name="MaxBandwidth">The user's limit, where it binds; 0 where it does not.</param>
/// <param name="MostBandwidth">The most that the link is known to carry; 0 where nobody knows.</param>
/// <param name="CanGoOver">Whether the guest may go over before its memory.</param>
readonly record struct LeverInput(
    PassCurve Curve, PassesInput Passes, TimeSpan Elapsed, long Sent, TimeSpan MaxDowntime, long MaxBandwidth, double MostBandwidth, bool CanGoOver);

/// <summary>
/// What would end a migration that runs, or end it sooner: each lever alone, tried on the passes that are to come (<see cref="PassesToCome"/>).
/// Pure. It takes tens of microseconds, and up to two milliseconds where no lever helps: nobody holds a lock meanwhile.
/// </summary>
static class LeverRule
{
    static readonly double[] Bandwidths = [1.25, 1.5, 2, 3, 4, 6, 8, 12, 16];
    static readonly double[] Downtimes = [1.2, 1.5, 2, 3, 5, 8, 12, 20, 50, 100];
    static readonly TimeSpan LongestDowntime = TimeSpan.FromSeconds(10);

    // QEMU's cpu-throttle-initial and -increment, and its most.
    static readonly int[] Throttles = [20, 30, 40, 50, 60, 70, 80, 90, 99];

    // Less is not worth the trouble.
    const double Worthwhile = 0.9;

    /// <summary>Those that help, the one that costs the guest least first.</summary>
    public static ForecastLever[] Find(LeverInput input)
    {
        if (input.Curve.IsEmpty) return [];
        var plain = PassesToCome.Run(input.Curve, input.Passes);
        return [.. new[] { MaxBandwidth(input, plain), MaxDowntime(input, plain), Throttle(input, plain), Postcopy(input, plain) }.OfType<ForecastLever>()];
    }

    /// <summary>The one against what holds the migration up; null where none is.</summary>
    public static ForecastLever? For(MigrationBottleneck bottleneck, ForecastLever[] levers) => bottleneck switch
    {
        MigrationBottleneck.None => null,
        MigrationBottleneck.DowntimeBudgetTooSmall when Array.Find(levers, lever => lever.Kind == ForecastLeverKind.MaxDowntime) is { } downtime => downtime,
        _ => levers is [var first, ..] ? first : null,
    };

    /// <summary>For example <c>-MaxBandwidth 300MB: ends in 12 s, downtime 41 ms.</c></summary>
    public static string Sentence(ForecastLever lever) => lever.Remaining is not { } left ? $"{lever}."
        : FormattableString.Invariant($"{lever.Setting}: ends in {Seconds(left)}, downtime {lever.Downtime.TotalMilliseconds:0} ms.");

    static ForecastLever? MaxBandwidth(LeverInput input, PassesEnd? plain)
    {
        if (input.MaxBandwidth <= 0) return null;
        // What goes already shows where less was thought.
        var most = input.MostBandwidth > input.MaxBandwidth ? input.MostBandwidth : 0;
        foreach (var times in Bandwidths)
        {
            var limit = Math.Ceiling(input.MaxBandwidth * times / (1 << 20)) * (1 << 20);
            if (most > 0 && limit > most) return null;
            var share = limit / input.MaxBandwidth;
            // The downtime allowed holds more of a faster link.
            var faster = input.Passes with
            {
                Bandwidth = input.Passes.Bandwidth * share, Left = input.Passes.Left / share, Threshold = input.Passes.Threshold * share,
            };
            if (PassesToCome.Run(input.Curve, faster) is not { } end || !(end.Seconds < plain?.Seconds * Worthwhile || plain is null)) continue;
            // What doubles the speed is asked for where it would end anyway.
            if (plain is not null && times < 2) continue;
            var unsure = most > 0 ? "" : ", if the link carries that";
            return Lever(input, ForecastLeverKind.MaxBandwidth, limit, $"-MaxBandwidth {limit / (1 << 20):0}MB{unsure}", end, faster.Bandwidth);
        }
        return null;
    }

    static ForecastLever? MaxDowntime(LeverInput input, PassesEnd? plain)
    {
        if (plain is not null || input.MaxDowntime <= TimeSpan.Zero) return null;
        foreach (var times in Downtimes)
        {
            var allowed = TimeSpan.FromMilliseconds(Math.Ceiling(input.MaxDowntime.TotalMilliseconds * times / 10) * 10);
            if (allowed > LongestDowntime) return null;
            var passes = input.Passes with { Threshold = input.Passes.Threshold * (allowed / input.MaxDowntime) };
            if (PassesToCome.Run(input.Curve, passes) is { } end)
                return Lever(input, ForecastLeverKind.MaxDowntime, allowed.TotalMilliseconds, $"-MaxDowntime {allowed.TotalMilliseconds:0}ms", end, passes.Bandwidth);
        }
        return null;
    }

    static ForecastLever? Throttle(LeverInput input, PassesEnd? plain)
    {
        if (plain is not null) return null;
        foreach (var percent in Throttles)
        {
            var passes = input.Passes with { Throttle = percent / 100.0 };
            if (PassesToCome.Run(input.Curve, passes) is { } end)
                return Lever(input, ForecastLeverKind.Throttle, percent, $"a guest slowed by {percent} %", end, passes.Bandwidth);
        }
        return null;
    }

    /// <summary>What is left goes once more, and the guest waits for the devices alone.</summary>
    static ForecastLever? Postcopy(LeverInput input, PassesEnd? plain)
    {
        if (plain is not null || !input.CanGoOver || !(input.Passes.Bandwidth > 0)) return null;
        // At this moment: what went in this pass and was written since goes again.
        var again = input.Curve.Left(input.Passes.InPass);
        var end = new PassesEnd((input.Passes.Pending + again) / input.Passes.Bandwidth, input.Passes.Pending + again, 0);
        return Lever(input, ForecastLeverKind.Postcopy, 0, "Switch-Migration", end, input.Passes.Bandwidth);
    }

    static ForecastLever Lever(LeverInput input, ForecastLeverKind kind, double value, string setting, PassesEnd end, double bandwidth)
    {
        var left = TimeSpan.FromSeconds(end.Seconds);
        return new(kind, value, setting, input.Elapsed + left, TimeSpan.FromSeconds(end.Final / bandwidth), input.Sent + (long)end.Bytes) { Remaining = left };
    }

    static string Seconds(TimeSpan time) => time switch
    {
        { TotalSeconds: < 10 } => FormattableString.Invariant($"{time.TotalSeconds:0.0} s"),
        { TotalMinutes: < 2 } => FormattableString.Invariant($"{time.TotalSeconds:0} s"),
        _ => FormattableString.Invariant($"{time.TotalMinutes:0} min"),
    };
}
