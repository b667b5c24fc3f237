using System.Globalization;

namespace PsMigrate.Engine.Model;

/// <summary>A time that is forecast.</summary>
/// <param name="Value">What is expected.</param>
/// <param name="Least">At best.</param>
/// <param name="Most">At worst; null where it may not end.</param>
public sealed record ForecastTime(TimeSpan Value, TimeSpan Least, TimeSpan? Most)
{
    /// <summary>Whether it came so.</summary>
    public bool Holds(TimeSpan actual) => actual >= Least && !(actual > Most);

    /// <summary>For example <c>3.2 s (2.9 to 4 s)</c>.</summary>
    public override string ToString() => Value < TimeSpan.FromSeconds(1)
        ? string.Create(CultureInfo.InvariantCulture, $"{Value.TotalMilliseconds:0.#} ms ({Least.TotalMilliseconds:0.#} {Up(Most?.TotalMilliseconds, "ms")})")
        : string.Create(CultureInfo.InvariantCulture, $"{Value.TotalSeconds:0.#} s ({Least.TotalSeconds:0.#} {Up(Most?.TotalSeconds, "s")})");

    static string Up(double? most, string unit) =>
        most is { } value ? string.Create(CultureInfo.InvariantCulture, $"to {value:0.#} {unit}") : $"{unit} or more";
}

/// <summary>Bytes that are forecast.</summary>
/// <param name="Value">What is expected.</param>
/// <param name="Least">At best.</param>
/// <param name="Most">At worst; null where it may not end.</param>
public sealed record ForecastBytes(long Value, long Least, long? Most)
{
    const double Mebibyte = 1 << 20;

    /// <summary>Whether it came so.</summary>
    public bool Holds(long actual) => actual >= Least && !(actual > Most);

    /// <summary>For example <c>310 MB (300 to 350)</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Value / Mebibyte:0.#} MB ({Least / Mebibyte:0.#} {(Most is { } most ? string.Create(CultureInfo.InvariantCulture, $"to {most / Mebibyte:0.#}") : "or more")})");
}

/// <summary>What can be changed for a migration to end, or to end sooner.</summary>
public enum ForecastLeverKind
{
    /// <summary>A faster link. The value is bytes/s.</summary>
    Bandwidth,

    /// <summary>A higher limit, or none. The value is bytes/s; 0 is none.</summary>
    MaxBandwidth,

    /// <summary>A longer downtime. The value is milliseconds.</summary>
    MaxDowntime,

    /// <summary>Differences of pages that went before.</summary>
    Xbzrle,

    /// <summary>Channels that compress with zstd.</summary>
    Compression,

    /// <summary>A guest that is slowed down. The value is percent.</summary>
    Throttle,

    /// <summary>The guest goes over before its memory.</summary>
    Postcopy,
}

/// <summary>One change, and what would come of it.</summary>
/// <param name="Kind">What.</param>
/// <param name="Value">How much; 0 where there is nothing to measure.</param>
/// <param name="Setting">As one would write it.</param>
/// <param name="TotalTime">From start to end.</param>
/// <param name="Downtime">How long the guest stands.</param>
/// <param name="TransferredBytes">Over the link.</param>
public sealed record ForecastLever(
    ForecastLeverKind Kind, double Value, string Setting, TimeSpan TotalTime, TimeSpan Downtime, long TransferredBytes)
{
    /// <summary>Of a migration that runs, from now to the end; null of one that has not begun.</summary>
    public TimeSpan? Remaining { get; init; }

    /// <summary>One line.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Setting}: {TotalTime.TotalSeconds:0.#} s, downtime {Downtime.TotalMilliseconds:0.#} ms, {TransferredBytes / (double)(1 << 20):0} MB");
}
