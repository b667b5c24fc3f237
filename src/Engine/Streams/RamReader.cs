using System.Buffers.Binary;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Streams;

/// <summary>Sees the pages of a stream, in its order.</summary>
interface IRamSink
{
    /// <summary>The list of blocks has come.</summary>
    void Blocks(IReadOnlyList<BlockTally> blocks);

    /// <summary>A page; <paramref name="content"/> is as <paramref name="kind"/> says, and empty for a page of zeros.</summary>
    void Page(BlockTally block, long page, PageKind kind, ReadOnlySpan<byte> content);

    /// <summary>The source will send these pages again (POSTCOPY_RAM_DISCARD).</summary>
    void Discard(BlockTally block, long firstPage, long pages);
}

/// <summary>
/// Reads the bodies of ram sections (ram_load of QEMU) without memory to load them into. Every offset, length and name is checked
/// before it is used.
/// </summary>
/// <param name="file">At the body.</param>
/// <param name="passes">Is told of every page.</param>
/// <param name="sink">Is told too; null when only figures are wanted.</param>
sealed class RamReader(StreamFile file, PassTracker passes, IRamSink? sink)
{
    /// <summary>Pages of x86 and of every machine whose streams are read.</summary>
    public const int PageSize = 4096;

    /// <summary>4 TiB: bounds what a hostile stream can make the bitmaps take, to 256 MiB.</summary>
    public const long MaxRam = 1L << 42;

    const int MaxBlocks = 4096;

    readonly List<BlockTally> _blocks = [];
    readonly Dictionary<string, BlockTally> _byName = new(StringComparer.Ordinal);
    BlockTally? _last;
    string _where = "";

    /// <summary>The blocks; empty until START.</summary>
    public IReadOnlyList<BlockTally> Blocks => _blocks;

    /// <summary>Each block has its own place in the file (capability mapped-ram).</summary>
    public bool IsMapped { get; set; }

    /// <summary>Blocks tell their address (capability x-ignore-shared).</summary>
    public bool HasAddresses { get; set; }

    /// <summary>The page sizes that POSTCOPY_ADVISE gave, ored; a block whose pages are large then tells their size.</summary>
    public ulong PageSizes { get; set; }

    /// <summary>A body up to and with its EOS; <paramref name="where"/> is its section, for messages.</summary>
    public void ReadBody(string where, CancellationToken cancellation)
    {
        _where = where;
        SetWhere();
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            var start = file.Position;
            var word = file.UInt64();
            var offset = (long)(word & ~RamFlags.Mask);
            var flags = word & RamFlags.Mask;
            switch (flags & ~RamFlags.Continue)
            {
                case RamFlags.Eos when word == RamFlags.Eos:
                    return;
                case RamFlags.MultifdFlush when word == RamFlags.MultifdFlush:
                    break;
                case RamFlags.MemSize when (flags & RamFlags.Continue) == 0:
                    ReadBlockList(offset, cancellation);
                    break;
                case RamFlags.Zero or RamFlags.Page or RamFlags.Xbzrle or RamFlags.CompressPage when !IsMapped:
                    ReadPage(start, flags, offset);
                    break;
                case RamFlags.Hook:
                    throw file.ErrorAt(start, MigrationErrorId.UnsupportedFeature, "RAM that went by RDMA is not in the stream.");
                default:
                    throw file.ErrorAt(start, MigrationErrorId.InvalidValue, $"RAM record 0x{word:x16} can't be.");
            }
        }
    }

    /// <summary>A block by its name, or null.</summary>
    public BlockTally? Find(string name) => _byName.GetValueOrDefault(name);

    void ReadPage(long start, ulong flags, long offset)
    {
        if ((flags & RamFlags.Continue) == 0)
        {
            var name = file.Name();
            _last = Find(name)
                ?? throw file.ErrorAt(start, MigrationErrorId.UnknownBlock, $"RAM block '{Printable.Text(name)}' is not in the list.");
            SetWhere();
        }
        if (_last is not { } block)
            throw file.ErrorAt(start, MigrationErrorId.OutOfOrder, "A page goes on with a block, and none was named.");
        if ((ulong)offset >= (ulong)block.Length)
            throw file.ErrorAt(start, MigrationErrorId.OffsetOutOfRange,
                $"Page 0x{offset:x} lies outside block '{Printable.Text(block.Name)}' of {block.Length} bytes.");
        var (kind, length) = ReadPageHeader(start, flags & ~RamFlags.Continue);
        var content = file.Peek(length);
        sink?.Page(block, offset / PageSize, kind, content);
        file.Skip(length);
        var bytes = file.Position - start;
        block.Counts.Add(kind, bytes);
        passes.Page(block, offset / PageSize, kind, bytes, start);
    }

    void SetWhere() => file.Where = _last is { } block ? $"{_where}, block {Printable.Text(block.Name)}" : _where;

    /// <summary>What stands between a page's block and its content.</summary>
    (PageKind Kind, int ContentLength) ReadPageHeader(long start, ulong flag)
    {
        switch (flag)
        {
            case RamFlags.Page:
                return (PageKind.Normal, PageSize);
            case RamFlags.Zero:
                var fill = file.Byte();
                return fill == 0 ? (PageKind.Zero, 0)
                    : throw file.ErrorAt(start, MigrationErrorId.InvalidValue, $"A page filled with 0x{fill:x2} can't be, only with zero.");
            case RamFlags.Xbzrle:
                var method = file.Byte();
                if (method != 1) throw file.ErrorAt(start, MigrationErrorId.InvalidValue, $"Difference method {method} is not known.");
                int length = file.UInt16();
                return length <= PageSize ? (PageKind.Xbzrle, length)
                    : throw file.ErrorAt(start, MigrationErrorId.InvalidLength, $"A difference of {length} bytes can't be.");
            default:
                var compressed = file.UInt32();
                // The bound that zlib gives for a page (compressBound), and QEMU checks.
                return compressed is > 0 and <= PageSize + 32 ? (PageKind.Compressed, (int)compressed)
                    : throw file.ErrorAt(start, MigrationErrorId.InvalidLength, $"A compressed page of {compressed} bytes can't be.");
        }
    }

    void ReadBlockList(long total, CancellationToken cancellation)
    {
        if (_blocks.Count > 0) throw file.Error(MigrationErrorId.OutOfOrder, "The list of RAM blocks comes twice.");
        if (total is < 0 or > MaxRam)
            throw file.Error(MigrationErrorId.InvalidLength, $"RAM of {(ulong)total} bytes can't be, only up to {MaxRam}.");
        for (var left = total; left > 0;)
        {
            if (_blocks.Count == MaxBlocks) throw file.Error(MigrationErrorId.InvalidLength, $"More than {MaxBlocks} RAM blocks can't be.");
            var name = file.Name();
            var length = file.UInt64();
            if (length == 0 || length > (ulong)left)
                throw file.Error(MigrationErrorId.InvalidLength,
                    $"RAM block '{Printable.Text(name)}' has {length} bytes of {left} that are left.");
            SkipPageSize();
            var block = new BlockTally(_blocks.Count, name, (long)length) { Address = HasAddresses ? (long)file.UInt64() : null };
            if (!_byName.TryAdd(name, block))
                throw file.Error(MigrationErrorId.InvalidValue, $"RAM block '{Printable.Text(name)}' is listed twice.");
            _blocks.Add(block);
            if (IsMapped)
            {
                block.Mapped = MappedPages.Read(file, block);
                block.Mapped.Count(file, block, passes, cancellation);
                file.Seek(block.Mapped.PagesOffset + block.Length);
            }
            left -= (long)length;
        }
        sink?.Blocks(_blocks);
    }

    /// <summary>
    /// The page size of a block with large pages. Only the sender knows whether it is there; but what else can follow, a name, an
    /// address or a RAM record, is never one of the sizes that were announced.
    /// </summary>
    void SkipPageSize()
    {
        if (PageSizes <= PageSize || file.PeekUpTo(8) is not { Length: 8 } next) return;
        var size = BinaryPrimitives.ReadUInt64BigEndian(next);
        if (size > PageSize && ulong.IsPow2(size) && (size & PageSizes) != 0) file.Skip(8);
    }
}
