using System.Buffers.Binary;
using System.Numerics;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Streams;

/// <summary>
/// A block of mapped RAM (mapped_ram_setup_ramblock): <c>u32 version, u64 page size, u64 bitmap offset, u64 pages offset</c>. Its
/// bitmap tells which pages are in the file, each at a fixed place; the others are zero.
/// </summary>
sealed class MappedPages
{
    const uint Version = 1;
    const int PagesPerWord = 64;

    // Words of the bitmap that are looked at together.
    const int WordsPerPiece = 8192;

    readonly long _bitmapOffset;
    readonly long _pages;

    MappedPages(long bitmapOffset, long pagesOffset, long pages)
    {
        _bitmapOffset = bitmapOffset;
        _pages = pages;
        PagesOffset = pagesOffset;
    }

    /// <summary>Where page 0 is in the file.</summary>
    public long PagesOffset { get; }

    /// <summary>The header of a block. Throws UnsupportedFeature, InvalidValue, UnexpectedEnd.</summary>
    public static MappedPages Read(StreamFile file, BlockTally block)
    {
        var start = file.Position;
        var (version, pageSize, bitmap, pagesAt) = (file.UInt32(), file.UInt64(), file.UInt64(), file.UInt64());
        var name = Printable.Text(block.Name);
        if (version != Version)
            throw file.ErrorAt(start, MigrationErrorId.UnsupportedFeature,
                $"Version {version} of mapped RAM (block '{name}') is not known.");
        if (pageSize != RamReader.PageSize || pagesAt % RamReader.PageSize != 0)
            throw file.ErrorAt(start, MigrationErrorId.InvalidValue, $"Block '{name}' has pages of {pageSize} bytes at {pagesAt}.");
        var pages = (block.Length + RamReader.PageSize - 1) / RamReader.PageSize;
        var bitmapSize = (ulong)(pages + PagesPerWord - 1) / PagesPerWord * sizeof(ulong);
        // Behind the header and in this order: what jumps back could be read for ever.
        var isInOrder = bitmap >= (ulong)file.Position && bitmap <= pagesAt && pagesAt - bitmap >= bitmapSize;
        if (!isInOrder || pagesAt > long.MaxValue - RamReader.MaxRam)
            throw file.ErrorAt(start, MigrationErrorId.InvalidValue,
                $"Block '{name}' has its bitmap at {bitmap} and its pages at {pagesAt}.");
        return new MappedPages((long)bitmap, (long)pagesAt, pages);
    }

    /// <summary>Counts the pages that are there. Throws UnexpectedEnd where the file is too short for one.</summary>
    public void Count(StreamFile file, BlockTally block, PassTracker passes, CancellationToken cancellation)
    {
        ForEachWord(file, (first, word) =>
        {
            // Far fewer words than pages: blocks are mostly empty, or full.
            block.Counts.Normal += BitOperations.PopCount(word);
            block.Counts.Bytes += BitOperations.PopCount(word) * (long)RamReader.PageSize;
            if (word == 0) return;
            var end = PagesOffset + ((first + PagesPerWord - BitOperations.LeadingZeroCount(word)) * RamReader.PageSize);
            if (end > file.Length)
                throw file.ErrorAt(file.Length, MigrationErrorId.UnexpectedEnd,
                    $"Block '{Printable.Text(block.Name)}' has pages up to {end}, and the file ends before that.");
        }, cancellation);
        block.Counts.Zero = _pages - block.Counts.Normal;
        passes.AddMapped(block.Counts);
    }

    /// <summary>Runs of pages that are there: the first one and how many.</summary>
    public void ForEachRun(StreamFile file, Action<long, int> run, CancellationToken cancellation)
    {
        ForEachWord(file, (first, word) =>
        {
            while (word != 0)
            {
                var at = BitOperations.TrailingZeroCount(word);
                var length = BitOperations.TrailingZeroCount(~(word >> at));
                run(first + at, length);
                word = at + length == PagesPerWord ? 0 : word >> (at + length) << (at + length);
            }
        }, cancellation);
    }

    void ForEachWord(StreamFile file, Action<long, ulong> see, CancellationToken cancellation)
    {
        var words = (_pages + PagesPerWord - 1) / PagesPerWord;
        for (long done = 0; done < words;)
        {
            cancellation.ThrowIfCancellationRequested();
            var count = (int)Math.Min(WordsPerPiece, words - done);
            file.Seek(_bitmapOffset + (done * sizeof(ulong)));
            var piece = file.Bytes(count * sizeof(ulong));
            for (var i = 0; i < count; i++)
            {
                // Words in the order of the source's bytes, which is little-endian on x86.
                var word = BinaryPrimitives.ReadUInt64LittleEndian(piece.AsSpan(i * sizeof(ulong)));
                var first = (done + i) * PagesPerWord;
                if (_pages - first < PagesPerWord) word &= (1UL << (int)(_pages - first)) - 1;
                see(first, word);
            }
            done += count;
        }
    }
}
