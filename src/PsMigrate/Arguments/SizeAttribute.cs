using System.Globalization;
using System.Management.Automation;
using System.Text.RegularExpressions;

namespace PsMigrate.Arguments;

/// <summary>
/// Lets a parameter of bytes take a number (<c>1GB</c>) or text such as <c>"512 MB"</c> or <c>"1GiB"</c>; a rate also
/// <c>100MB/s</c> and <c>1Gbit/s</c>. KB, MB, GB and TB are powers of 1024, as in PowerShell; bits are decimal, as networks are sold.
/// </summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Field)]
public sealed partial class SizeAttribute : ArgumentTransformationAttribute
{
    /// <summary>Whether it is a rate: bytes per second.</summary>
    public bool IsRate { get; set; }

    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object inputData)
    {
        var value = inputData is PSObject wrapped ? wrapped.BaseObject : inputData;
        switch (value)
        {
            case null or long:
                return value;
            case string text:
                return Parse(text);
        }
        if (LanguagePrimitives.TryConvertTo<double>(value, CultureInfo.InvariantCulture, out var number))
            return ToBytes(number, 1, LanguagePrimitives.ConvertTo<string>(inputData));
        throw Wrong(LanguagePrimitives.ConvertTo<string>(inputData));
    }

    long Parse(string text)
    {
        var match = Pattern().Match(text);
        var isRate = match.Groups["bit"].Success || match.Groups["second"].Success;
        if (!match.Success || (isRate && !IsRate)) throw Wrong(text);
        var number = double.Parse(match.Groups["number"].ValueSpan, CultureInfo.InvariantCulture);
        var power = "KMGT".IndexOf(match.Groups["prefix"].Value.ToUpperInvariant(), StringComparison.Ordinal) + 1;
        if (match.Groups["prefix"].Length == 0) power = 0;
        return match.Groups["bit"].Success
            ? ToBytes(number, Math.Pow(1000, power) / 8, text)
            : ToBytes(number, Math.Pow(1024, power), text);
    }

    long ToBytes(double number, double unit, string text) =>
        Math.Abs(number * unit) < long.MaxValue ? (long)Math.Round(number * unit) : throw Wrong(text);

    ArgumentTransformationMetadataException Wrong(string text) => new(IsRate
        ? $"'{text}' is not a rate: give bytes per second as a number (100MB), or text such as 100MB/s or 1Gbit/s."
        : $"'{text}' is not a size: give bytes as a number (1GB), or text such as \"512 MB\".");

    [GeneratedRegex(
        @"^\s*(?<number>[-+]?(\d+\.?\d*|\.\d+))\s*((?<prefix>[KMGT])?((?<bit>bit/s|bps|bit)|i?B(?<second>/s)?)|(?<prefix>[KMGT]))?\s*$",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Pattern();
}
