using System.Globalization;

namespace PsMigrate.Engine.Model;

/// <summary>A figure that a forecast promised, beside what came.</summary>
/// <param name="What">Which one.</param>
/// <param name="Unit">s, ms or MB (2^20 bytes).</param>
/// <param name="Promised">What was expected.</param>
/// <param name="Actual">What came.</param>
public sealed record PromiseComparison(string What, string Unit, double Promised, double Actual)
{
    const double Mebibyte = 1 << 20;

    /// <summary>At best; null where no range was promised.</summary>
    public double? Least { get; init; }

    /// <summary>At worst; null where no range was promised, or it was open.</summary>
    public double? Most { get; init; }

    /// <summary>Whether it came within the range; null where no range was promised.</summary>
    public bool? IsKept => Least is { } least ? Actual >= least && !(Actual > Most) : null;

    /// <summary>What came by what was promised; null where nothing was.</summary>
    public double? Ratio => Promised > 0 ? Actual / Promised : null;

    /// <summary>One line.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{What}: {Actual:0.##} {Unit}, promised {Promised:0.##}{(Least is { } least ? $" ({least:0.##} {(Most is { } most ? $"to {most:0.##}" : "or more")})" : "")}");

    internal static IEnumerable<PromiseComparison> Of(MigrationPromise promise, MigrationResult result)
    {
        if (promise.TotalTime is { } time)
            yield return new("Total time", "s", time.Value.TotalSeconds, result.TotalTime.TotalSeconds)
            { Least = time.Least.TotalSeconds, Most = time.Most?.TotalSeconds };
        if (promise.Downtime is { } downtime)
            yield return new("Downtime", "ms", downtime.Value.TotalMilliseconds, result.Downtime.TotalMilliseconds)
            { Least = downtime.Least.TotalMilliseconds, Most = downtime.Most?.TotalMilliseconds };
        if (promise.DowntimeParts is { } parts)
        {
            var actual = result.DowntimeParts;
            yield return Part("Downtime: final RAM", parts.FinalRam, actual.FinalRam);
            yield return Part("Downtime: state", parts.State, actual.State);
            yield return Part("Downtime: the rest", parts.Total - parts.FinalRam - parts.State, actual.Total - actual.FinalRam - actual.State);
        }
        if (promise.TransferredBytes is { } bytes)
            yield return new("Sent", "MB", bytes.Value / Mebibyte, result.TransferredBytes / Mebibyte)
            { Least = bytes.Least / Mebibyte, Most = bytes.Most / Mebibyte };
    }

    static PromiseComparison Part(string what, TimeSpan promised, TimeSpan actual) => new(what, "ms", promised.TotalMilliseconds, actual.TotalMilliseconds);
}
