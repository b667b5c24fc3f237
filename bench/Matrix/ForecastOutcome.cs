using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Matrix;

/// <summary>A time that was promised; seconds.</summary>
/// <param name="Value">What was expected.</param>
/// <param name="Least">At best.</param>
/// <param name="Most">At worst; null where it may not have ended.</param>
sealed record PromisedTime(double Value, double Least, double? Most)
{
    public static PromisedTime? Of(ForecastTime? time) =>
        time is null ? null : new(time.Value.TotalSeconds, time.Least.TotalSeconds, time.Most?.TotalSeconds);

    public bool Holds(double actual) => actual >= Least && !(actual > Most);

    /// <summary>By its value; null where it has no end.</summary>
    public double? Width => (Most - Least) / Value;
}

/// <summary>What was promised and what came, as one line of JSON. Times in seconds, rates in bytes/s.</summary>
sealed record ForecastOutcome
{
    /// <summary>Which scenario.</summary>
    public required string Scenario { get; init; }

    /// <summary>What it does.</summary>
    public required GuestLoad Load { get; init; }

    /// <summary>The limit on the bandwidth; 0 is none.</summary>
    public required long Cap { get; init; }

    /// <summary>What the link carried when it was measured.</summary>
    public required double Bandwidth { get; init; }

    /// <summary>Whether it should end.</summary>
    public required ForecastVerdict Promised { get; init; }

    /// <summary>Whether that was said with a "probably".</summary>
    public bool IsProbable { get; init; }

    /// <summary>Whether it did within the limit.</summary>
    public required bool Ended { get; init; }

    /// <summary>Passes, the one with the guest stopped included.</summary>
    public int PromisedPasses { get; init; }

    /// <summary>Those that there were.</summary>
    public int Passes { get; init; }

    /// <summary>From start to end; null where it should not end.</summary>
    public PromisedTime? PromisedTotal { get; init; }

    /// <summary>What it took.</summary>
    public double Total { get; init; }

    /// <summary>How long the guest should stand.</summary>
    public PromisedTime? PromisedDowntime { get; init; }

    /// <summary>How long it stood.</summary>
    public double Downtime { get; init; }

    /// <summary>Of that the last pages, until they were given to the link.</summary>
    public double FinalRam { get; init; }

    /// <summary>Bytes that were left when the guest was stopped.</summary>
    public long FinalBytes { get; init; }

    /// <summary>Over the link.</summary>
    public long? PromisedBytes { get; init; }

    /// <summary>Those that went.</summary>
    public long Bytes { get; init; }

    /// <summary>The total by one dirty rate and one bandwidth; null where that says that it does not end.</summary>
    public double? ConstantTotal { get; init; }

    /// <summary>The downtime by the same.</summary>
    public double? ConstantDowntime { get; init; }

    /// <summary>QEMU's expected-downtime at the end of the last pass before the guest was stopped.</summary>
    public double? ExpectedDowntime { get; init; }

    /// <summary>What it took by a replay of its trace in virtual time; null where there is none, or the replay does not end.</summary>
    public double? ReplayedTotal { get; init; }

    /// <summary>Whether there was a trace to replay.</summary>
    public bool IsReplayed { get; init; }

    /// <summary>What the forecast was made of, to make it anew.</summary>
    public DirtyCurve? Curve { get; init; }

    /// <summary>How long each pass took, what went and what was left after it.</summary>
    public PassFigures[] History { get; init; } = [];

    /// <summary>The machine's load average.</summary>
    public string MachineLoad { get; init; } = "";

    /// <summary>The limit is so far below what the link carries that nobody else on the machine makes a difference.</summary>
    public bool IsWellBelow => Cap > 0 && Cap <= 0.4 * Bandwidth;

    /// <summary>Whether the verdict was right.</summary>
    public bool IsRight => Promised == ForecastVerdict.Converges == Ended;

    /// <summary>Of one that ended: how far the promise was from what it took.</summary>
    public double TotalError => Errors.Of(PromisedTotal?.Value, Total);

    /// <summary>The same of the downtime.</summary>
    public double DowntimeError => Errors.Of(PromisedDowntime?.Value, Downtime);

    /// <summary>Whether what had gone was written again and had to go once more, before the guest was stopped.</summary>
    public bool IsDirtiedAgain => Load != GuestLoad.Idle && Passes > 2;
}

/// <summary>One pass.</summary>
sealed record PassFigures(double Duration, long Bytes, long Left);

/// <summary>How far a figure is from what came.</summary>
static class Errors
{
    /// <summary>As a share of what came. Nothing said of what did come is wrong by all of it.</summary>
    public static double Of(double? said, double actual) => said is { } value ? Math.Abs(value - actual) / actual : 1;
}
