using System.Buffers.Binary;
using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Reads RAM from a file with a place for each page (parse_ramblock_mapped_ram of QEMU): first where each block lies, then, once there
/// is memory for them, pages straight from the file into it. The bitmap is read in pieces.
/// </summary>
sealed class MappedRamLoader(FileOrigin file)
{
    const int MaxRun = (1 << 20) / GuestMemory.PageSize;
    const int BitmapPiece = 4096;

    readonly List<MappedBlockHeader> _headers = [];
    readonly byte[] _bitmap = new byte[BitmapPiece];

    /// <summary>Pages that were in the file.</summary>
    public long NormalPages { get; private set; }

    /// <summary>What a block's entry in the list has behind its length; the reader then stands at the next entry.</summary>
    public void ReadHeader(WireReader reader, long blockLength)
    {
        if (blockLength % GuestMemory.PageSize != 0)
            throw reader.Error(MigrationErrorId.InvalidLength, $"A RAM block of {blockLength} bytes can't be: that is no multiple of {GuestMemory.PageSize}.");
        var header = MappedBlockHeader.Read(reader, blockLength, file.Length, file.Start);
        _headers.Add(header);
        var next = header.PagesOffset + blockLength;
        reader.MoveTo(next - file.Start, () => file.MoveTo(next));
    }

    /// <summary>All pages of all blocks, in the order of the list.</summary>
    public void Load(WireReader reader, ArrivingRam ram)
    {
        for (var i = 0; i < _headers.Count; i++) LoadBlock(reader, ram.Blocks[i], _headers[i]);
    }

    void LoadBlock(WireReader reader, ArrivingBlock block, MappedBlockHeader header)
    {
        var pages = block.Block.Pages;
        var run = new Run(0, 0);
        for (long first = 0; first < pages;)
        {
            var piece = (int)Math.Min(BitmapPiece, MappedBlockHeader.BitmapSize(pages - first));
            Read(reader, _bitmap.AsSpan(0, piece), header.BitmapOffset + (first / 8));
            for (var at = 0; at < piece; at += sizeof(ulong), first += 64)
            {
                var valid = BitWords.Mask(0, (int)Math.Min(64, pages - first));
                var present = BinaryPrimitives.ReadUInt64LittleEndian(_bitmap.AsSpan(at));
                if ((present & ~valid) != 0)
                    throw reader.Error(MigrationErrorId.OffsetOutOfRange, $"The bitmap of block '{Printable.Text(block.Name)}' names pages behind its end.");
                for (var left = present; left != 0; left &= left - 1)
                    run = Extend(reader, block, header, run, first + BitOperations.TrailingZeroCount(left));
                // What is not there is zero, as this memory is already.
                block.MarkReceived((int)(first >> 6), valid);
            }
        }
        LoadRun(reader, block, header, run);
    }

    Run Extend(WireReader reader, ArrivingBlock block, MappedBlockHeader header, Run run, long page)
    {
        if (run.Count > 0 && run.Count < MaxRun && page == run.First + run.Count) return run with { Count = run.Count + 1 };
        LoadRun(reader, block, header, run);
        return new Run(page, 1);
    }

    void LoadRun(WireReader reader, ArrivingBlock block, MappedBlockHeader header, Run run)
    {
        if (run.Count == 0) return;
        var offset = run.First * GuestMemory.PageSize;
        Read(reader, block.PagesForWrite(run.First, run.Count), header.PagesOffset + offset);
        NormalPages += run.Count;
    }

    void Read(WireReader reader, Span<byte> into, long position)
    {
        if (file.ReadAt(into, position) < into.Length)
            throw reader.Error(MigrationErrorId.UnexpectedEnd, $"The file ends before 0x{position + into.Length:x}, where its pages were to be.");
    }

    readonly record struct Run(long First, int Count);
}
