using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Measuring;

/// <summary>
/// Where pages are dirtied, by the bitmaps of short windows, one after another, and that of the whole: how much in which part of the memory, all
/// blocks one behind the other, and whether one page comes after the other. One thread.
/// </summary>
/// <param name="pages">Of each block.</param>
sealed class DirtyWhere(IReadOnlyList<long> pages)
{
    /// <summary>Parts of the memory.</summary>
    public const int Cells = 256;

    // Fewer say nothing of their order.
    const long FewestPages = 64;

    // What is written beside a walk.
    const double MostStrays = 0.05;

    // A walk that comes round within two windows or less may have been anywhere.
    const double MostOfRound = 0.5;

    // Of a round of which so much more was written than there are pages in it, all is known.
    const double SeenWhole = 1.05;

    readonly long _pages = Math.Max(1, pages.Sum());
    readonly long[] _soon = new long[Cells];
    readonly WalkFollower _walk = new();

    /// <summary>A short window is over.</summary>
    public void Add(IReadOnlyList<ulong[]> words)
    {
        _walk.Begin();
        VisitRuns(words, (first, length) =>
        {
            AddTo(_soon, first, length);
            _walk.Add(first, length);
        });
        _walk.End();
    }

    /// <summary>All of them are over. Null where nothing was dirtied.</summary>
    /// <param name="whole">The bitmap of all of them.</param>
    public DirtyPlaces? Places(IReadOnlyList<ulong[]> whole)
    {
        var late = new long[Cells];
        var (least, most) = (long.MaxValue, 0L);
        VisitRuns(whole, (first, length) =>
        {
            AddTo(late, first, length);
            (least, most) = (Math.Min(least, first), Math.Max(most, first + length));
        });
        if (most == 0) return null;
        return new DirtyPlaces { Soon = Shares(_walk.Written > 0 ? _soon : late), Late = Shares(late), Walk = WalkWithin(least, most - least) };
    }

    DirtyWalk? WalkWithin(long first, long length)
    {
        if (_walk.Written < FewestPages || _walk.Strays > MostStrays * _walk.Written || _walk.Mean > MostOfRound * length) return null;
        if (_walk.Written < SeenWhole * length) (first, length) = (0, _pages);
        return new DirtyWalk(_walk.At * GuestMemory.PageSize, first * GuestMemory.PageSize, length * GuestMemory.PageSize);
    }

    void AddTo(long[] cells, long first, long length)
    {
        for (long page = first, end = first + length; page < end;)
        {
            var cell = (long)((Int128)page * Cells / _pages);
            var next = (long)((((Int128)(cell + 1) * _pages) + Cells - 1) / Cells);
            var count = Math.Min(next, end) - page;
            cells[cell] += count;
            page += count;
        }
    }

    static double[] Shares(long[] counts)
    {
        double sum = counts.Sum();
        return [.. counts.Select(count => count / sum)];
    }

    /// <summary>Pages that lie side by side, by their place in all of the memory, in order; of two blocks they are never taken together.</summary>
    void VisitRuns(IReadOnlyList<ulong[]> words, Action<long, long> visit)
    {
        long start = 0;
        for (var block = 0; block < words.Count; start += pages[block++]) VisitRuns(words[block], start, visit);
    }

    static void VisitRuns(ulong[] words, long start, Action<long, long> visit)
    {
        long first = -1, end = -1;
        for (var at = BitWords.Next(words, 0); at < words.Length; at = BitWords.Next(words, at + 1))
            for (var bits = words[at]; bits != 0;)
            {
                var bit = BitOperations.TrailingZeroCount(bits);
                var length = BitOperations.TrailingZeroCount(~(bits >> bit));
                var page = start + (at * 64L) + bit;
                if (page != end)
                {
                    if (first >= 0) visit(first, end - first);
                    first = page;
                }
                end = page + length;
                bits = bit + length >= 64 ? 0 : bits & (ulong.MaxValue << (bit + length));
            }
        if (first >= 0) visit(first, end - first);
    }
}
