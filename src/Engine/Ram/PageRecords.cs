using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Reads the page records of one connection (ram_load_precopy of QEMU); which block goes on is kept for each connection. Every offset,
/// length and name is checked before it is used: a page that lies outside its block ends the migration, never this process.
/// </summary>
sealed partial class PageRecords
{
    // A RAM word and its page, when the block goes on.
    const int PlainRecord = 8 + GuestMemory.PageSize;

    // A RAM word and the fill byte.
    const int ZeroRecord = 8 + 1;

    ArrivingBlock? _block;
    DenseArrival _density;
    PageInflater? _inflater;

    /// <summary>Where the pages go; null until the list of blocks has come.</summary>
    public ArrivingRam? Ram { get; set; }

    public long NormalPages { get; private set; }

    public long ZeroPages { get; private set; }

    public long XbzrlePages { get; private set; }

    public long CompressedPages { get; private set; }

    /// <summary>Pages that came as a difference to zeros.</summary>
    public long SparsePages { get; private set; }

    /// <summary>
    /// Has a little of the memory mapped into which pages will come if they go on as they did; false when there is no more to do. Not in postcopy, where pages are
    /// missed.
    /// </summary>
    public bool TouchAhead() => Ram is { KeepsFirst: false } ram && _block is { } block && _density.TouchAhead(ram.Memory, block.Block);

    /// <summary>
    /// The common case without a call per field: pages of the same block, whole or zero, as many as have arrived. Compiled well at
    /// once: the first migration of a receiver would be over before tiers could help it.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void ReadPlainPages(WireReader reader)
    {
        if (_block is not { } block || Ram!.KeepsFirst) return;
        var seen = reader.Peek(8);
        var at = 0;
        long pages = 0, zeros = 0;
        // Marks are set for 64 pages at a time: other connections may bring their neighbours.
        var (markedWord, marks) = (0, 0UL);
        while (seen.Length - at >= ZeroRecord)
        {
            var word = BinaryPrimitives.ReadUInt64BigEndian(seen[at..]);
            var offset = (long)(word & ~RamFlags.Mask);
            if ((ulong)offset >= (ulong)block.Length) break;
            var flags = word & RamFlags.Mask;
            var page = offset / GuestMemory.PageSize;
            if (flags == (RamFlags.Page | RamFlags.Continue) && seen.Length - at >= PlainRecord)
            {
                _density.Arriving(Ram!.Memory, block.Block, page);
                block.Write(page, seen.Slice(at + 8, GuestMemory.PageSize));
                at += PlainRecord;
                pages++;
            }
            else if (flags == (RamFlags.Zero | RamFlags.Continue) && seen[at + 8] == 0)
            {
                block.MakeZero(page);
                at += ZeroRecord;
                zeros++;
            }
            else break;
            if (page >> 6 != markedWord)
            {
                block.MarkReceived(markedWord, marks);
                (markedWord, marks) = ((int)(page >> 6), 0);
            }
            marks |= 1UL << (int)(page & 63);
        }
        block.MarkReceived(markedWord, marks);
        reader.Skip(at);
        NormalPages += pages;
        ZeroPages += zeros;
    }

    /// <summary>The source has forgotten which block went on, and will name it.</summary>
    public void ForgetBlock() => _block = null;

    /// <summary>
    /// The rest of a record whose word has been read; false when it is none of a page. Throws UnknownBlock, OffsetOutOfRange,
    /// OutOfOrder, InvalidValue, InvalidLength.
    /// </summary>
    public bool TryRead(WireReader reader, ulong word)
    {
        var offset = (long)(word & ~RamFlags.Mask);
        var flags = word & RamFlags.Mask;
        switch (flags & ~RamFlags.Continue)
        {
            case RamFlags.Page:
                ReadPage(reader, Locate(reader, flags, offset));
                return true;
            case RamFlags.Zero:
                ReadZero(reader, Locate(reader, flags, offset));
                return true;
            case RamFlags.Xbzrle or RamFlags.CompressPage when Ram?.KeepsFirst == true:
                throw NotInPostcopy(reader, flags);
            case RamFlags.Xbzrle:
                ReadDifference(reader, Locate(reader, flags, offset));
                return true;
            case RamFlags.CompressPage:
                ReadCompressed(reader, Locate(reader, flags, offset));
                return true;
            default:
                return TryReadRun(reader, flags, offset);
        }
    }

    (ArrivingBlock Block, long Page) Locate(WireReader reader, ulong flags, long offset)
    {
        if (Ram is null) throw reader.Error(MigrationErrorId.OutOfOrder, "A page comes before the list of RAM blocks.");
        if ((flags & RamFlags.Continue) == 0)
        {
            var name = reader.Name();
            _block = Ram.Find(name) ?? throw reader.Error(MigrationErrorId.UnknownBlock, $"RAM block '{Printable.Text(name)}' is not known.");
            _density.Interrupt();
        }
        if (_block is null) throw reader.Error(MigrationErrorId.OutOfOrder, "A page goes on with a block, and none was named.");
        if ((ulong)offset >= (ulong)_block.Length)
            throw reader.Error(MigrationErrorId.OffsetOutOfRange, $"Offset 0x{offset:x} lies outside block '{_block.Name}' of {_block.Length} bytes.");
        return (_block, offset / GuestMemory.PageSize);
    }

    void ReadPage(WireReader reader, (ArrivingBlock Block, long Page) to)
    {
        var bytes = reader.Peek(GuestMemory.PageSize)[..GuestMemory.PageSize];
        _density.Arriving(Ram!.Memory, to.Block.Block, to.Page);
        if (Ram.KeepsFirst) StoreOnce(to, bytes);
        else to.Block.Store(to.Page, bytes);
        reader.Skip(GuestMemory.PageSize);
        NormalPages++;
    }

    void ReadZero(WireReader reader, (ArrivingBlock Block, long Page) to)
    {
        var fill = reader.Byte();
        if (fill != 0) throw reader.Error(MigrationErrorId.InvalidValue, $"A page filled with 0x{fill:x2} can't be, only with zero.");
        if (Ram!.KeepsFirst) ClearOnce(to, 1);
        else to.Block.Clear(to.Page);
        ZeroPages++;
    }

    void ReadDifference(WireReader reader, (ArrivingBlock Block, long Page) to)
    {
        var method = reader.Byte();
        if (method != Xbzrle.Method) throw reader.Error(MigrationErrorId.InvalidValue, $"Difference method {method} is not known.");
        var encoded = PeekDifference(reader);
        if (!to.Block.HasCome(to.Page))
            throw reader.Error(MigrationErrorId.OutOfOrder, $"A difference comes to page {to.Page} of block '{to.Block.Name}', which has not come.");
        Decode(reader, encoded, to);
        reader.Skip(encoded.Length);
        XbzrlePages++;
    }

    /// <summary>Its length, which is taken, and its bytes, which are not yet. Throws InvalidLength.</summary>
    static ReadOnlySpan<byte> PeekDifference(WireReader reader)
    {
        int length = reader.UInt16();
        if (length > GuestMemory.PageSize) throw reader.Error(MigrationErrorId.InvalidLength, $"A difference of {length} bytes can't be.");
        return reader.Peek(length)[..length];
    }

    static void Decode(WireReader reader, ReadOnlySpan<byte> encoded, (ArrivingBlock Block, long Page) to)
    {
        if (!Xbzrle.TryDecode(encoded, to.Block.Page(to.Page)))
            throw reader.Error(MigrationErrorId.InvalidValue, "A page difference is not valid.");
    }

    void ReadCompressed(WireReader reader, (ArrivingBlock Block, long Page) to)
    {
        var length = reader.UInt32();
        if (length is 0 or > PageInflater.MaxCompressed)
            throw reader.Error(MigrationErrorId.InvalidLength, $"A compressed page of {length} bytes can't be.");
        _inflater ??= new PageInflater();
        var page = _inflater.TryInflate(reader.Peek((int)length)[..(int)length]);
        if (page.IsEmpty) throw reader.Error(MigrationErrorId.InvalidValue, "A compressed page is not valid.");
        to.Block.Store(to.Page, page);
        reader.Skip((int)length);
        CompressedPages++;
    }
}
