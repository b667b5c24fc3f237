using System.Globalization;
using PsMigrate.Engine.Model;

namespace PsMigrate;

/// <summary>Figures as messages, progress and views show them: MB is 2^20, the decimal point is a point.</summary>
public static class Figures
{
    static readonly string[] Units = ["bytes", "KB", "MB", "GB", "TB"];

    /// <summary>Bytes in the unit that leaves at most four digits before the point, for example <c>512 MB</c>.</summary>
    public static string Size(double bytes)
    {
        var unit = 0;
        for (; unit < Units.Length - 1 && Math.Abs(bytes) >= 1024; unit++) bytes /= 1024;
        return string.Create(CultureInfo.InvariantCulture, $"{bytes:0.#} {Units[unit]}");
    }

    /// <summary>Bytes per second, for example <c>98.5 MB/s</c>.</summary>
    public static string Rate(double bytesPerSecond) => Size(bytesPerSecond) + "/s";

    /// <summary>A time with the unit that fits, for example <c>0.412 ms</c>, <c>12.5 ms</c>, <c>3.2 s</c>, <c>4 min 5 s</c>.</summary>
    public static string Time(TimeSpan time)
    {
        var culture = CultureInfo.InvariantCulture;
        if (time < TimeSpan.FromMilliseconds(10)) return string.Create(culture, $"{time.TotalMilliseconds:0.###} ms");
        if (time < TimeSpan.FromSeconds(1)) return string.Create(culture, $"{time.TotalMilliseconds:0.#} ms");
        if (time < TimeSpan.FromMinutes(1)) return string.Create(culture, $"{time.TotalSeconds:0.#} s");
        if (time < TimeSpan.FromHours(1)) return string.Create(culture, $"{time.Minutes} min {time.Seconds} s");
        return string.Create(culture, $"{(long)time.TotalHours} h {time.Minutes} min");
    }

    /// <summary>Bytes as megabytes with a fixed number of digits, for columns.</summary>
    public static string Megabytes(double bytes, int digits = 1) =>
        (bytes / (1 << 20)).ToString("N" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    /// <summary>A time as milliseconds, for columns; empty when there is none.</summary>
    public static string Milliseconds(TimeSpan? time) => time?.TotalMilliseconds.ToString("N1", CultureInfo.InvariantCulture) ?? "";

    /// <summary>A time as milliseconds to the microsecond, for columns of what is short; empty when there is none.</summary>
    public static string Microseconds(TimeSpan? time) => time?.TotalMilliseconds.ToString("N3", CultureInfo.InvariantCulture) ?? "";

    /// <summary>A time as seconds, for columns; empty when there is none.</summary>
    public static string Seconds(TimeSpan? time) => time?.TotalSeconds.ToString("N2", CultureInfo.InvariantCulture) ?? "";

    /// <summary>So many of something, for example <c>1 guest</c>, <c>2 guests</c>.</summary>
    public static string Count(long value, string what) => $"{Count(value)} {what}{(value == 1 ? "" : "s")}";

    /// <summary>The same for a word whose plural needs more than an s.</summary>
    public static string Count(long value, string one, string many) => $"{Count(value)} {(value == 1 ? one : many)}";

    /// <summary>What it cost a guest to run before its memory, in one line; empty when there is nothing to tell.</summary>
    public static string Postcopy(PostcopyFigures? figures)
    {
        if (figures is null) return "";
        var followed = $"{Count(figures.Pages, "page")} followed";
        return figures.Faults == 0
            ? $"{followed}; the guest waited for none"
            : $"{followed}; {Count(figures.Faults, "fault")}, {Count(figures.RequestedPages, "request")}: median {Time(figures.MedianLatency)}, "
                + $"99 of 100 within {Time(figures.Latency99)}, worst {Time(figures.WorstLatency)}; all vCPUs waited at once for {Time(figures.BlockedTime)}";
    }

    /// <summary>An automatic decision, in one line.</summary>
    public static string Decision(MigrationDecision decision)
    {
        var by = decision.Policy == MigrationDecision.OnIteration ? $"by -{decision.Policy}" : $"policy {decision.Policy}";
        var who = decision.Policy.Length == 0 || decision.Policy == decision.What ? "" : $" [{by}{(decision.IsObserved ? ", observed only" : "")}]";
        var error = decision.Error is { } id ? $" ({id})" : "";
        return $"{decision.What} {decision.From} → {decision.To}: {decision.Reason}{error}{who}";
    }

    /// <summary>How long each vCPU was held back, in one line.</summary>
    public static string Throttled(IEnumerable<TimeSpan> times) => string.Join(", ", times.Select((time, cpu) => $"vCPU {cpu} {Time(time)}"));

    /// <summary>A line for each point of a curve, for example <c>100 ms: 9.8 MB (9.1 MB to 10.4 MB in 32 windows)</c>.</summary>
    public static string Curve(DirtyCurve? curve) => string.Join('\n', (curve?.Points ?? []).Select(point =>
        $"{Time(point.Interval)}: {Size(point.Bytes)}{(point.Samples == 1 ? "" : $" ({Size(point.LeastBytes)} to {Size(point.MostBytes)} in {point.Samples} windows)")}"));

    /// <summary>The working set in megabytes; only that it is more than what was seen, where that is all there is to say.</summary>
    public static string WorkingSet(GuestDirtyRate rate) =>
        rate.WorkingSet is { } bytes ? Megabytes(bytes) : $"> {Megabytes(rate.WrittenBytes)}";

    /// <summary>What a migration cost its guest, in one line.</summary>
    public static string Cost(GuestCost? cost)
    {
        if (cost is null) return "";
        var parts = new List<string>();
        if ((cost.WriteRateBefore ?? cost.WriteRateDuring ?? cost.WriteRateAfter) is not null)
            parts.Add($"wrote {RateOr(cost.WriteRateBefore)} before, {RateOr(cost.WriteRateDuring)} during, {RateOr(cost.WriteRateAfter)} after");
        parts.Add($"stood {Time(cost.Downtime)}");
        if (cost.ThrottledTime > TimeSpan.Zero) parts.Add($"held back {Time(cost.ThrottledTime)}");
        if (cost.BlockedTime is { } blocked) parts.Add($"waited for memory {Time(blocked)}");
        return string.Join(", ", parts);
    }

    static string RateOr(double? rate) => rate is { } known ? Rate(known) : "?";

    /// <summary>A figure of any size, for columns; empty when there is none.</summary>
    public static string Fine(double? value) => value?.ToString("N3", CultureInfo.InvariantCulture) ?? "";

    /// <summary>A share of 0 to 1, for example <c>12.5 %</c>.</summary>
    public static string Percent(double share) => string.Create(CultureInfo.InvariantCulture, $"{share * 100:0.#} %");

    /// <summary>Any other figure, for columns.</summary>
    public static string Number(double value) => value.ToString("N1", CultureInfo.InvariantCulture);

    /// <summary>A count, for columns.</summary>
    public static string Count(long value) => value.ToString("N0", CultureInfo.InvariantCulture);
}
