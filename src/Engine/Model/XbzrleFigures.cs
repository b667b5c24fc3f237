using System.Globalization;

namespace PsMigrate.Engine.Model;

/// <summary>Counters of page differences, in QEMU's names and units (<c>xbzrle-cache</c> of query-migrate, XBZRLECacheStats).</summary>
/// <param name="CacheSize">xbzrle-cache.cache-size, bytes: what the pages as they were sent may take at the source.</param>
/// <param name="Bytes">xbzrle-cache.bytes: differences sent, and pages sent whole because theirs was longer.</param>
/// <param name="Pages">xbzrle-cache.pages: found in the cache, then sent as a difference, whole, or, unchanged, not at all.</param>
/// <param name="CacheMiss">xbzrle-cache.cache-miss: pages not found, sent whole.</param>
/// <param name="CacheMissRate">xbzrle-cache.cache-miss-rate: of the pages of the last period those not found, 0 to 1.</param>
/// <param name="EncodingRate">xbzrle-cache.encoding-rate: bytes of pages found per byte sent for them, last period; 0 without any.</param>
/// <param name="Overflow">xbzrle-cache.overflow: pages of <paramref name="Pages"/> whose difference was longer than the page.</param>
public sealed record XbzrleFigures(
    long CacheSize, long Bytes, long Pages, long CacheMiss, double CacheMissRate, double EncodingRate, long Overflow)
{
    /// <summary>One line, without the size of the cache.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Pages:N0} found, {CacheMiss:N0} missed, {Overflow:N0} sent whole; "
        + $"lately {CacheMissRate * 100:0.#} % missed, {EncodingRate:0.#} to 1");
}
