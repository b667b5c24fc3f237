namespace PsMigrate.Engine.Model;

/// <summary>How much of its memory a guest dirties within an interval: a page that is written often counts once.</summary>
/// <param name="Interval">How long.</param>
/// <param name="Bytes">Distinct pages dirtied times the size of a page, the mean of the intervals of that length that were seen.</param>
/// <param name="LeastBytes">The least that was seen.</param>
/// <param name="MostBytes">The most that was seen.</param>
/// <param name="Samples">In how many intervals.</param>
public sealed record DirtyCurvePoint(TimeSpan Interval, double Bytes, double LeastBytes, double MostBytes, int Samples);

/// <summary>
/// Distinct memory dirtied against the interval. It is concave: a longer pass finds less than twice what one of half its length does, because
/// pages are written again. That is what decides whether passes get shorter (Clark et al., "Live Migration of Virtual Machines", NSDI 2005,
/// the writable working set).
/// </summary>
public sealed record DirtyCurve
{
    /// <summary>By interval, shortest first; at least one.</summary>
    public required DirtyCurvePoint[] Points { get; init; }

    /// <summary>Memory of the guest, bytes: no interval dirties more.</summary>
    public required long TotalBytes { get; init; }

    /// <summary>Memory that may hold something, bytes: what was never written is not sent. As TotalBytes where that is not known.</summary>
    public required long UsedBytes { get; init; }

    /// <summary>Share of the memory in use that is zero, 0 to 1; null where it was not looked at.</summary>
    public double? ZeroShare { get; init; }

    /// <summary>
    /// Of each of so many equal parts of the memory the share that is zero, 0 to 1; null where it was not looked at part by part. Zero pages go as a
    /// few bytes, so where they lie says when the others are through.
    /// </summary>
    public double[]? ZeroPlaces { get; init; }

    /// <summary>To what share of its size a sample of pages that are not zero compresses, 0 to 1; null where it was not looked at.</summary>
    public double? CompressedShare { get; init; }

    /// <summary>To what share of its size the difference of a page that was written again comes, 0 to 1; null where it was not looked at.</summary>
    public double? DeltaShare { get; init; }

    /// <summary>Where in memory that was; null where it is not known, as of a QEMU.</summary>
    public DirtyPlaces? Places { get; init; }

    /// <summary>Which share is zero of one of so many equal cells of the memory; null where that is not known place by place.</summary>
    internal double? ZeroIn(int cell, int cells) => ZeroPlaces is { Length: > 0 } places ? Math.Clamp(places[(int)((long)cell * places.Length / cells)], 0, 1) : null;
}
