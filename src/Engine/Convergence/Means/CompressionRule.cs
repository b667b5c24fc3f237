using System.Globalization;

namespace PsMigrate.Engine.Convergence;

/// <summary>What to do with the packets of a channel.</summary>
enum CompressionAdvice
{
    /// <summary>Go on as it is.</summary>
    Stay,

    /// <summary>The other way is better.</summary>
    Change,

    /// <summary>Only a try of the other way can tell.</summary>
    Try,
}

/// <summary>Whether compressing pays, by what both ways were measured to cost on this link. Pure.</summary>
static class CompressionRule
{
    /// <summary>A gain below that is none: what does not compress comes out as it went in.</summary>
    public const double LeastGain = 0.05;

    /// <summary>By how much the other way has to be faster, so that noise changes nothing.</summary>
    public const double Margin = 1.1;

    // A link that takes so many times longer than the compressor would take longer still for whole pages.
    const double LinkBinds = 2;

    /// <summary>Packets are compressed: are they to be?</summary>
    /// <param name="packed">What they cost lately.</param>
    /// <param name="plain">What others cost as they are; null when that is not known.</param>
    /// <param name="limit">What the channel may send, bytes/s; 0 is no limit.</param>
    public static (CompressionAdvice Advice, string Reason) WhilePacked(PacketCost packed, PacketCost? plain, long limit)
    {
        if (packed.Share > 1 - LeastGain) return (CompressionAdvice.Change, $"Compressed, pages take {Percent(packed.Share)} of their size.");
        if (IsHeldByLink(packed, limit)) return (CompressionAdvice.Stay, "");
        if (plain is not { } other) return (CompressionAdvice.Try, "");
        return other.Speed(limit) > packed.Speed(limit) * Margin ? (CompressionAdvice.Change, Compare(packed, other, limit)) : (CompressionAdvice.Stay, "");
    }

    /// <summary>Packets go as they are: are they to be compressed?</summary>
    /// <param name="plain">What they cost lately.</param>
    /// <param name="packed">What others cost compressed; null when that is not known.</param>
    /// <param name="limit">What the channel may send, bytes/s; 0 is no limit.</param>
    public static (CompressionAdvice Advice, string Reason) WhilePlain(PacketCost plain, PacketCost? packed, long limit)
    {
        if (packed is not { } other) return (CompressionAdvice.Try, "");
        var pays = other.Share <= 1 - LeastGain && other.Speed(limit) > plain.Speed(limit) * Margin;
        return pays ? (CompressionAdvice.Change, Compare(other, plain, limit)) : (CompressionAdvice.Stay, "");
    }

    static bool IsHeldByLink(PacketCost packed, long limit) =>
        packed.Sending >= packed.Packing * LinkBinds || (limit > 0 && packed.Speed(limit) >= limit * Margin);

    static string Compare(PacketCost packed, PacketCost plain, long limit) =>
        $"Compressed (to {Percent(packed.Share)}), pages leave at {Rate(packed.Speed(limit))}; as they are, at {Rate(plain.Speed(limit))}.";

    static string Percent(double share) => (share * 100).ToString("0.#", CultureInfo.InvariantCulture) + " %";

    static string Rate(double bytes) => (bytes / 1e6).ToString("#,0.#", CultureInfo.InvariantCulture) + " MB/s";
}
