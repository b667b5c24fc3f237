using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>The records of the extension (<see cref="Handshake"/>): runs of pages, and pages of which little is not zero.</summary>
sealed partial class PageRecords
{
    // Pages that are received in one piece, or made zero without a look at the link: 64 MiB, so that one span is enough for them.
    const int MaxStretch = 1 << 14;

    /// <summary>Whether the source was told that it may send runs. Else they are records that can't be.</summary>
    public bool AcceptsRuns { get; set; }

    bool TryReadRun(WireReader reader, ulong flags, long offset)
    {
        if (!AcceptsRuns) return false;
        switch (flags & ~RamFlags.Continue)
        {
            case RamFlags.Run:
                ReadRun(reader, Locate(reader, flags, offset));
                return true;
            case RamFlags.Run | RamFlags.Zero:
                ReadZeroRun(reader, Locate(reader, flags, offset));
                return true;
            case RamFlags.Run | RamFlags.Xbzrle when Ram?.KeepsFirst == true:
                throw NotInPostcopy(reader, flags);
            case RamFlags.Run | RamFlags.Xbzrle:
                ReadSparse(reader, Locate(reader, flags, offset));
                return true;
            default:
                return false;
        }
    }

    static int RunLength(WireReader reader, (ArrivingBlock Block, long Page) from)
    {
        var count = reader.UInt32();
        if (count is 0 or > RamFlags.MaxRun) throw reader.Error(MigrationErrorId.InvalidLength, $"A run of {count} pages can't be.");
        if (count > from.Block.Block.Pages - from.Page)
            throw reader.Error(MigrationErrorId.OffsetOutOfRange,
                $"A run of {count} pages from page {from.Page} lies outside block '{from.Block.Name}' of {from.Block.Block.Pages} pages.");
        return (int)count;
    }

    void ReadRun(WireReader reader, (ArrivingBlock Block, long Page) from)
    {
        var left = RunLength(reader, from);
        if (Ram!.KeepsFirst)
        {
            ReadRunOnce(reader, from, left);
            return;
        }
        NormalPages += left;
        while (left > 0)
        {
            var count = Math.Min(left, MaxStretch);
            _density.ArrivingRun(Ram.Memory, from.Block.Block, from.Page, count);
            reader.ReadThrough(from.Block.PagesForWrite(from.Page, count));
            from.Block.MarkReceived(from.Page, count);
            from.Page += count;
            left -= count;
        }
    }

    void ReadZeroRun(WireReader reader, (ArrivingBlock Block, long Page) from)
    {
        for (var left = RunLength(reader, from); left > 0;)
        {
            // Twelve bytes are enough for 1 GiB to look at, and thousands of such records come in one block.
            reader.ThrowIfCut();
            var count = Math.Min(left, MaxStretch);
            MakeZero(from, count);
            ZeroPages += count;
            from.Page += count;
            left -= count;
        }
    }

    void MakeZero((ArrivingBlock Block, long Page) from, int count)
    {
        if (Ram!.KeepsFirst)
        {
            ClearOnce(from, count);
            return;
        }
        from.Block.MakeZero(from.Page, count);
        from.Block.MarkReceived(from.Page, count);
    }

    void ReadSparse(WireReader reader, (ArrivingBlock Block, long Page) to)
    {
        var encoded = PeekDifference(reader);
        _density.Arriving(Ram!.Memory, to.Block.Block, to.Page);
        to.Block.MakeZero(to.Page);
        Decode(reader, encoded, to);
        to.Block.MarkReceived(to.Page);
        reader.Skip(encoded.Length);
        SparsePages++;
    }
}
