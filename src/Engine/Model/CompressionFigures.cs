using System.Globalization;

namespace PsMigrate.Engine.Model;

/// <summary>What compressing has brought, since the start, all channels together.</summary>
/// <param name="Pages">Pages that were compressed.</param>
/// <param name="CompressedSize">What they came to, bytes.</param>
/// <param name="PlainPages">Pages with content that went as they are, because compressing them did not pay.</param>
public sealed record CompressionFigures(long Pages, long CompressedSize, long PlainPages)
{
    /// <summary>Bytes of the pages that were compressed.</summary>
    public long Size => Pages * 4096;

    /// <summary>Bytes of pages per byte sent for them; 0 before the first.</summary>
    public double CompressionRate => CompressedSize == 0 ? 0 : (double)Size / CompressedSize;

    /// <summary>One line.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Pages:N0} pages, {CompressionRate:0.##} to 1{(PlainPages == 0 ? "" : $"; {PlainPages:N0} as they are")}");
}
