using System.Buffers.Binary;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Writes RAM of a guest that stands into a file with a place for each page (ram_save_setup of QEMU with mapped-ram). Pages go
/// straight from guest memory to the file; zero pages take no room in it.
/// </summary>
sealed class MappedRamSaver(GuestMemory memory, FileTarget file)
{
    // Pages that lie together are written together, up to so many.
    const int MaxRun = (1 << 20) / GuestMemory.PageSize;

    // A piece of the bitmap: that of 128 MiB.
    const int BitmapPiece = 4096;

    readonly byte[] _bitmap = new byte[BitmapPiece];
    long _runStart;
    int _runLength;

    /// <summary>Pages written.</summary>
    public long NormalPages { get; private set; }

    /// <summary>Pages that are zero.</summary>
    public long ZeroPages { get; private set; }

    /// <summary>The body of START: the list of blocks, each with its bitmap and its pages behind it.</summary>
    public void SaveSetup(WireWriter writer)
    {
        writer.UInt64((ulong)memory.Length | RamFlags.MemSize);
        foreach (var block in memory.Blocks)
        {
            writer.Name(block.Name);
            writer.UInt64((ulong)block.Length);
            var header = MappedBlockHeader.At(file.Start + writer.Position, block.Pages);
            header.Write(writer);
            writer.Flush();
            SavePages(block, header);
            var end = header.PagesOffset + block.Length;
            file.MoveTo(end);
            writer.MoveTo(end - file.Start);
        }
        writer.UInt64(RamFlags.Eos);
    }

    void SavePages(RamBlock block, MappedBlockHeader header)
    {
        var bitmapAt = header.BitmapOffset;
        var words = MappedBlockHeader.BitmapSize(block.Pages) / sizeof(ulong);
        var filled = 0;
        for (long word = 0; word < words; word++)
        {
            var present = block.IsTouched(word) ? SaveWord(block, header, word * 64) : 0;
            BinaryPrimitives.WriteUInt64LittleEndian(_bitmap.AsSpan(filled), present);
            filled += sizeof(ulong);
            if (filled < _bitmap.Length && word < words - 1) continue;
            file.WriteAt(_bitmap.AsSpan(0, filled), bitmapAt);
            bitmapAt += filled;
            filled = 0;
        }
        FlushRun(block, header);
        ZeroPages += block.Pages;
    }

    /// <summary>Looks at 64 pages, and returns the bits of those that are not zero.</summary>
    ulong SaveWord(RamBlock block, MappedBlockHeader header, long first)
    {
        ulong present = 0;
        var count = (int)Math.Min(64, block.Pages - first);
        for (var i = 0; i < count; i++)
        {
            var page = first + i;
            if (PageContent.IsZero(block.Page(page))) continue;
            present |= 1UL << i;
            if (_runLength == MaxRun || page != _runStart + _runLength) FlushRun(block, header);
            if (_runLength == 0) _runStart = page;
            _runLength++;
        }
        return present;
    }

    void FlushRun(RamBlock block, MappedBlockHeader header)
    {
        if (_runLength == 0) return;
        var offset = _runStart * GuestMemory.PageSize;
        file.WriteAt(block.Span(offset, _runLength * GuestMemory.PageSize), header.PagesOffset + offset);
        NormalPages += _runLength;
        ZeroPages -= _runLength;
        _runLength = 0;
    }
}
