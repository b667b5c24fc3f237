using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Measuring;

/// <summary>
/// How well differences of pages that are written again encode: some of those that were dirtied in the first half of a measurement are
/// copied then, as a cache of XBZRLE would have them, and compared at its end. The guest writes meanwhile: a copy may be torn, and the
/// figure is none the worse for it.
/// </summary>
sealed class DeltaSample
{
    /// <summary>At most so many pages are copied, 2 MiB.</summary>
    public const int MostPages = 512;

    readonly IReadOnlyList<RamBlock> _blocks;
    readonly List<(int Block, long Page)> _pages = [];
    readonly byte[] _copies;

    /// <param name="blocks">The memory.</param>
    /// <param name="dirty">Of each block the pages to choose from: each as likely as the next.</param>
    public DeltaSample(IReadOnlyList<RamBlock> blocks, IReadOnlyList<ulong[]> dirty)
    {
        _blocks = blocks;
        Choose(dirty, dirty.Sum(words => words.Sum(word => (long)BitOperations.PopCount(word))));
        _copies = GC.AllocateUninitializedArray<byte>(_pages.Count * GuestMemory.PageSize);
        for (var i = 0; i < _pages.Count; i++) blocks[_pages[i].Block].Page(_pages[i].Page).CopyTo(CopyOf(i));
    }

    /// <summary>How many pages were copied.</summary>
    public int Count => _pages.Count;

    /// <summary>
    /// To what share of their size the differences come, 0 to 1; one that is longer than its page counts as the page, which is then sent
    /// whole. Null when no page was written again.
    /// </summary>
    public double? Share(Func<int, long, bool> isWrittenAgain)
    {
        var now = new byte[GuestMemory.PageSize];
        var encoded = new byte[GuestMemory.PageSize];
        long bytes = 0, count = 0;
        for (var i = 0; i < _pages.Count; i++)
        {
            var (block, page) = _pages[i];
            if (!isWrittenAgain(block, page)) continue;
            _blocks[block].Page(page).CopyTo(now);
            var length = XbzrleEncoder.Encode(CopyOf(i), now, encoded);
            bytes += length == XbzrleEncoder.Overflow ? GuestMemory.PageSize : length;
            count++;
        }
        return count == 0 ? null : (double)bytes / (count * GuestMemory.PageSize);
    }

    Span<byte> CopyOf(int index) => _copies.AsSpan(index * GuestMemory.PageSize, GuestMemory.PageSize);

    // Every n-th of them, from the middle of the first n.
    void Choose(IReadOnlyList<ulong[]> dirty, long total)
    {
        var step = Math.Max(1, (total + MostPages - 1) / MostPages);
        var next = step / 2;
        long seen = 0;
        for (var block = 0; block < dirty.Count; block++)
        {
            var words = dirty[block];
            for (var at = BitWords.Next(words, 0); at < words.Length; at = BitWords.Next(words, at + 1))
                for (var bits = words[at]; bits != 0; bits &= bits - 1)
                {
                    if (seen++ != next) continue;
                    _pages.Add((block, (at * 64L) + BitOperations.TrailingZeroCount(bits)));
                    next += step;
                }
        }
    }
}
