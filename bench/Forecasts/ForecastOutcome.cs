using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Forecasts;

/// <summary>What was promised and what came, as one line of JSON. Times in seconds.</summary>
/// <param name="Case">Which case.</param>
/// <param name="Run">Which run of it, from 1.</param>
/// <param name="Promised">Whether it should end.</param>
/// <param name="Ended">Whether it did within the limit.</param>
/// <param name="PromisedPasses">Passes, the one with the guest stopped included.</param>
/// <param name="Passes">Those that there were.</param>
/// <param name="PromisedTotal">From start to end.</param>
/// <param name="Total">What it took.</param>
/// <param name="PromisedDowntime">How long the guest should stand.</param>
/// <param name="LeastDowntime">At best.</param>
/// <param name="MostDowntime">At worst.</param>
/// <param name="Downtime">How long it stood.</param>
/// <param name="PromisedBytes">Over the link.</param>
/// <param name="Bytes">Those that went.</param>
/// <param name="Load">The machine's load average.</param>
sealed record ForecastOutcome(
    string Case, int Run, ForecastVerdict Promised, bool Ended, int PromisedPasses, int Passes, double? PromisedTotal, double Total,
    double? PromisedDowntime, double? LeastDowntime, double? MostDowntime, double Downtime, long? PromisedBytes, long Bytes, string Load)
{
    /// <summary>Whether the verdict was right.</summary>
    public bool IsRight => Promised == ForecastVerdict.Converges == Ended;

    /// <summary>Whether there is anything to compare.</summary>
    public bool IsComparable => Ended && PromisedTotal is not null;

    /// <summary>Of the total time, as a share of it.</summary>
    public double TotalError => Math.Abs(PromisedTotal!.Value - Total) / Total;

    /// <summary>Of the downtime, as a share of it.</summary>
    public double DowntimeError => Math.Abs(PromisedDowntime!.Value - Downtime) / Downtime;

    /// <summary>Whether the downtime came within its range.</summary>
    public bool IsDowntimeInRange => Downtime >= LeastDowntime && Downtime <= MostDowntime;

    /// <summary>How wide the range of the downtime was, by its value.</summary>
    public double RangeWidth => (MostDowntime!.Value - LeastDowntime!.Value) / PromisedDowntime!.Value;
}
