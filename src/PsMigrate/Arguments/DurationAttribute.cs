using System.Globalization;
using System.Management.Automation;
using System.Text.RegularExpressions;

namespace PsMigrate.Arguments;

/// <summary>What a bare number means where a time is expected.</summary>
public enum BareNumber
{
    /// <summary>Milliseconds, as QEMU counts a downtime.</summary>
    Milliseconds,

    /// <summary>Seconds, as PowerShell counts a time-out.</summary>
    Seconds,
}

/// <summary>
/// Lets a parameter take a TimeSpan, a number, or text such as <c>300ms</c>, <c>30s</c>, <c>5m</c>, <c>1h</c>, <c>2d</c> or
/// <c>00:01:30</c>. Whether a time makes sense (0, negative) is for the engine to say, which has an error id for it.
/// </summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Field)]
public sealed partial class DurationAttribute(BareNumber bareNumber) : ArgumentTransformationAttribute
{
    /// <summary>What a number without a unit is.</summary>
    public BareNumber BareNumber => bareNumber;

    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object inputData)
    {
        var value = inputData is PSObject wrapped ? wrapped.BaseObject : inputData;
        if (value is null or TimeSpan) return value;
        // PowerShell reads 30s, 5us and 2d as numbers (Int16, UInt16, Decimal) and keeps what was typed beside them.
        var text = LanguagePrimitives.ConvertTo<string>(inputData);
        if (TryParse(text, out var time)) return time;
        if (value is not string && LanguagePrimitives.TryConvertTo<double>(value, CultureInfo.InvariantCulture, out var number))
            return FromUnits(number, TicksPerBareUnit, text);
        throw Wrong(text, "give a TimeSpan, or text such as 300ms, 30s, 5m, 1h; "
            + $"a number without a unit counts {(bareNumber == BareNumber.Seconds ? "seconds" : "milliseconds")}");
    }

    double TicksPerBareUnit => bareNumber == BareNumber.Seconds ? TimeSpan.TicksPerSecond : TimeSpan.TicksPerMillisecond;

    bool TryParse(string text, out TimeSpan time)
    {
        var match = Pattern().Match(text);
        if (match.Success)
        {
            var number = double.Parse(match.Groups["number"].ValueSpan, CultureInfo.InvariantCulture);
            time = FromUnits(number, TicksPer(match.Groups["unit"].Value), text);
            return true;
        }
        // A TimeSpan written out always has a colon; without this check "30" would be thirty days.
        time = default;
        return text.Contains(':', StringComparison.Ordinal) && TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out time);
    }

    double TicksPer(string unit) => unit.ToUpperInvariant() switch
    {
        "" => TicksPerBareUnit,
        "US" => TimeSpan.TicksPerMicrosecond,
        "MS" => TimeSpan.TicksPerMillisecond,
        "S" or "SEC" => TimeSpan.TicksPerSecond,
        "M" or "MIN" => TimeSpan.TicksPerMinute,
        "H" => TimeSpan.TicksPerHour,
        _ => TimeSpan.TicksPerDay,
    };

    static TimeSpan FromUnits(double number, double ticks, string text) =>
        Math.Abs(number * ticks) < long.MaxValue
            ? TimeSpan.FromTicks((long)Math.Round(number * ticks))
            : throw Wrong(text, "it is longer than a TimeSpan can be");

    static ArgumentTransformationMetadataException Wrong(string text, string reason) => new($"'{text}' is not a time: {reason}.");

    [GeneratedRegex(@"^\s*(?<number>[-+]?(\d+\.?\d*|\.\d+))\s*(?<unit>us|ms|sec|s|min|m|h|d)?\s*$",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Pattern();
}
