using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Loads RAM from section bodies (ram_load of QEMU). Every offset, length and name is checked before it is used; a page that
/// lies outside its block ends the migration, never this process.
/// </summary>
/// <param name="prepare">Gives the memory for so many bytes once the block list is known; throws when it may not have it.</param>
sealed class RamLoader(Func<long, GuestMemory> prepare)
{
    // More blocks than any machine has.
    const int MaxBlocks = 4096;

    // A RAM word and its page, when the block goes on.
    const int PlainRecord = 8 + GuestMemory.PageSize;

    // A RAM word and the fill byte.
    const int ZeroRecord = 8 + 1;

    GuestMemory? _memory;
    RamBlock? _block;
    DenseArrival _density;

    public long NormalPages { get; private set; }

    public long ZeroPages { get; private set; }

    public long XbzrlePages { get; private set; }

    /// <summary>The body of any ram section.</summary>
    public void ReadBody(WireReader reader)
    {
        while (true)
        {
            ReadPlainPages(reader);
            var word = reader.UInt64();
            var offset = (long)(word & ~RamFlags.Mask);
            var flags = word & RamFlags.Mask;
            switch (flags & ~RamFlags.Continue)
            {
                case RamFlags.Eos when word == RamFlags.Eos:
                    return;
                case RamFlags.MemSize:
                    ReadBlockList(reader, offset);
                    break;
                case RamFlags.Page:
                    ReadPage(reader, Locate(reader, flags, offset));
                    break;
                case RamFlags.Zero:
                    ReadZero(reader, Locate(reader, flags, offset));
                    break;
                case RamFlags.Xbzrle:
                    ReadDifference(reader, Locate(reader, flags, offset));
                    break;
                case RamFlags.CompressPage or RamFlags.MultifdFlush or RamFlags.Hook:
                    throw reader.Error(MigrationErrorId.UnsupportedFeature, $"RAM record 0x{flags:x3} is not supported by this receiver.");
                default:
                    throw reader.Error(MigrationErrorId.InvalidValue, $"RAM record 0x{word:x16} can't be.");
            }
        }
    }

    /// <summary>
    /// The common case without a call per field: pages of the same block, whole or zero, as many as have arrived. Compiled well at
    /// once: the first migration of a receiver would be over before tiers could help it.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    void ReadPlainPages(WireReader reader)
    {
        if (_block is not { } block) return;
        var seen = reader.Peek(8);
        var at = 0;
        long pages = 0, zeros = 0;
        while (seen.Length - at >= ZeroRecord)
        {
            var word = BinaryPrimitives.ReadUInt64BigEndian(seen[at..]);
            var offset = (long)(word & ~RamFlags.Mask);
            if ((ulong)offset >= (ulong)block.Length) break;
            var flags = word & RamFlags.Mask;
            if (flags == (RamFlags.Page | RamFlags.Continue) && seen.Length - at >= PlainRecord)
            {
                StorePage(block, offset / GuestMemory.PageSize, seen.Slice(at + 8, GuestMemory.PageSize));
                at += PlainRecord;
                pages++;
            }
            else if (flags == (RamFlags.Zero | RamFlags.Continue) && seen[at + 8] == 0)
            {
                ClearPage(block, offset / GuestMemory.PageSize);
                at += ZeroRecord;
                zeros++;
            }
            else break;
        }
        reader.Skip(at);
        NormalPages += pages;
        ZeroPages += zeros;
    }

    void ReadBlockList(WireReader reader, long total)
    {
        if (_memory is not null) throw reader.Error(MigrationErrorId.OutOfOrder, "The list of RAM blocks comes twice.");
        var blocks = new List<(string Name, long Length)>();
        for (var left = total; left > 0;)
        {
            if (blocks.Count == MaxBlocks) throw reader.Error(MigrationErrorId.InvalidLength, $"More than {MaxBlocks} RAM blocks can't be.");
            var name = reader.Name();
            var length = reader.UInt64();
            if (length == 0 || length > (ulong)left)
                throw reader.Error(MigrationErrorId.InvalidLength, $"RAM block '{Printable.Text(name)}' has {length} bytes of {left} that are left.");
            if (name != StreamConstants.RamSection)
                throw reader.Error(MigrationErrorId.UnknownBlock, $"RAM block '{Printable.Text(name)}' is not known; machine none has 'ram' only.");
            blocks.Add((name, (long)length));
            left -= (long)length;
        }
        if (blocks.Count != 1) throw reader.Error(MigrationErrorId.UnknownBlock, $"Machine none has one RAM block, and the stream has {blocks.Count}.");
        var memory = prepare(total);
        if (memory.Length != total)
            throw reader.Error(MigrationErrorId.BlockSizeMismatch, $"RAM block 'ram' has {total} bytes, and {memory.Length} were announced.");
        _memory = memory;
    }

    /// <summary>The page a record is about. Throws UnknownBlock, OffsetOutOfRange, OutOfOrder.</summary>
    (RamBlock Block, long Page) Locate(WireReader reader, ulong flags, long offset)
    {
        if (_memory is null) throw reader.Error(MigrationErrorId.OutOfOrder, "A page comes before the list of RAM blocks.");
        if ((flags & RamFlags.Continue) == 0)
        {
            var name = reader.Name();
            _block = _memory.Find(name) ?? throw reader.Error(MigrationErrorId.UnknownBlock, $"RAM block '{Printable.Text(name)}' is not known.");
        }
        if (_block is null) throw reader.Error(MigrationErrorId.OutOfOrder, "A page goes on with a block, and none was named.");
        if ((ulong)offset >= (ulong)_block.Length)
            throw reader.Error(MigrationErrorId.OffsetOutOfRange, $"Offset 0x{offset:x} lies outside block '{_block.Name}' of {_block.Length} bytes.");
        return (_block, offset / GuestMemory.PageSize);
    }

    void ReadPage(WireReader reader, (RamBlock Block, long Page) to)
    {
        StorePage(to.Block, to.Page, reader.Peek(GuestMemory.PageSize)[..GuestMemory.PageSize]);
        reader.Skip(GuestMemory.PageSize);
        NormalPages++;
    }

    void ReadZero(WireReader reader, (RamBlock Block, long Page) to)
    {
        var fill = reader.Byte();
        if (fill != 0) throw reader.Error(MigrationErrorId.InvalidValue, $"A page filled with 0x{fill:x2} can't be, only with zero.");
        ClearPage(to.Block, to.Page);
        ZeroPages++;
    }

    void ReadDifference(WireReader reader, (RamBlock Block, long Page) to)
    {
        var method = reader.Byte();
        if (method != 1) throw reader.Error(MigrationErrorId.InvalidValue, $"Difference method {method} is not known.");
        int length = reader.UInt16();
        if (length > GuestMemory.PageSize) throw reader.Error(MigrationErrorId.InvalidLength, $"A difference of {length} bytes can't be.");
        var page = Destination(to.Block, to.Page);
        if (!Xbzrle.TryDecode(reader.Peek(length)[..length], page))
            throw reader.Error(MigrationErrorId.InvalidValue, "A page difference is not valid.");
        reader.Skip(length);
        XbzrlePages++;
    }

    // Memory that was never written is zero already, and stays without room.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void ClearPage(RamBlock block, long page)
    {
        if (block.IsTouched(page / RamBlock.PagesPerChunk))
            block.Span(page * GuestMemory.PageSize, GuestMemory.PageSize).Clear();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    unsafe void StorePage(RamBlock block, long page, ReadOnlySpan<byte> bytes)
    {
        _density.Arriving(_memory!, block, page);
        var to = block.PageForWrite(page);
        // The framework's copy reads a byte of the destination first. On memory that was never touched that maps the page of
        // zeros, and the write after it faults once more and flushes the other processor: a store before it faults once.
        *to = bytes[0];
        bytes.CopyTo(new Span<byte>(to, GuestMemory.PageSize));
    }

    static unsafe Span<byte> Destination(RamBlock block, long page) => new(block.PageForWrite(page), GuestMemory.PageSize);
}
