namespace PsMigrate.Engine.Streams;

/// <summary>A RAM block and the pages that were sent of it, in all passes.</summary>
/// <param name="Name">Its idstr, such as pc.ram.</param>
/// <param name="Length">Its bytes (used_length).</param>
/// <param name="NormalPages">Pages sent as they are; of mapped RAM those that are in the file.</param>
/// <param name="ZeroPages">Pages sent as zero; of mapped RAM those that are not in the file.</param>
/// <param name="XbzrlePages">Pages sent as a difference.</param>
/// <param name="CompressedPages">Pages sent as a zlib stream.</param>
/// <param name="Bytes">Bytes that their records take.</param>
/// <param name="Address">Its address in its parent region; only with x-ignore-shared.</param>
/// <param name="PagesOffset">Where page 0 is in the file; only of mapped RAM.</param>
public sealed record StreamBlock(
    string Name, long Length, long NormalPages, long ZeroPages, long XbzrlePages, long CompressedPages, long Bytes,
    long? Address, long? PagesOffset);

/// <summary>
/// A pass over RAM. The wire does not mark them: a pass begins with the section that holds the first page which was already
/// sent in the pass before, and with END. Pages that are sent for the first time count to the pass that goes on until then.
/// </summary>
/// <param name="Number">From 1.</param>
/// <param name="Offset">Where it begins in the file.</param>
/// <param name="NormalPages">Pages sent as they are.</param>
/// <param name="ZeroPages">Pages sent as zero.</param>
/// <param name="XbzrlePages">Pages sent as a difference.</param>
/// <param name="CompressedPages">Pages sent as a zlib stream.</param>
/// <param name="Bytes">Bytes that their records take.</param>
public sealed record StreamPass(
    int Number, long Offset, long NormalPages, long ZeroPages, long XbzrlePages, long CompressedPages, long Bytes)
{
    /// <summary>Pages of all kinds.</summary>
    public long Pages => NormalPages + ZeroPages + XbzrlePages + CompressedPages;
}

/// <summary>How a page was sent.</summary>
enum PageKind
{
    Normal,
    Zero,
    Xbzrle,
    Compressed,
}

/// <summary>Pages by kind, and the bytes of their records.</summary>
struct PageCounts
{
    public long Normal;
    public long Zero;
    public long Xbzrle;
    public long Compressed;
    public long Bytes;

    public readonly long Pages => Normal + Zero + Xbzrle + Compressed;

    public void Add(PageKind kind, long bytes)
    {
        switch (kind)
        {
            case PageKind.Normal: Normal++; break;
            case PageKind.Zero: Zero++; break;
            case PageKind.Xbzrle: Xbzrle++; break;
            default: Compressed++; break;
        }
        Bytes += bytes;
    }

    public void Add(PageCounts other)
    {
        Normal += other.Normal;
        Zero += other.Zero;
        Xbzrle += other.Xbzrle;
        Compressed += other.Compressed;
        Bytes += other.Bytes;
    }
}

/// <summary>A RAM block while its stream is read.</summary>
sealed class BlockTally(int index, string name, long length)
{
    public int Index => index;

    public string Name => name;

    public long Length => length;

    public long? Address { get; init; }

    /// <summary>Where its pages are in the file; null unless RAM is mapped.</summary>
    public MappedPages? Mapped { get; set; }

    public PageCounts Counts;

    public StreamBlock ToBlock() =>
        new(Name, Length, Counts.Normal, Counts.Zero, Counts.Xbzrle, Counts.Compressed, Counts.Bytes, Address, Mapped?.PagesOffset);
}
