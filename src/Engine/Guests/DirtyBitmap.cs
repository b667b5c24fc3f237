using System.Numerics;
using System.Runtime.CompilerServices;

namespace PsMigrate.Engine.Guests;

/// <summary>
/// One bit a page, set by many writers and taken by one reader (the dirty log of QEMU's accelerators). A writer stores, then tests its
/// page's bit, and between the two it has no fence, which would make it wait for each store: the reader pays instead. Having taken
/// bits and before it reads a page, it makes every processor that runs this process finish what it is at. A writer that found
/// its bit set did so before that, so its store is seen; one that comes after it finds the bit gone, and sets it.
/// </summary>
sealed class DirtyBitmap
{
    readonly ulong[] _words;

    /// <summary>All clean. The room is there at once: neither writers nor the first collection fault it in.</summary>
    public DirtyBitmap(long pages)
    {
        Pages = pages;
        _words = GC.AllocateUninitializedArray<ulong>(BitWords.Count(pages));
        Array.Clear(_words);
    }

    public long Pages { get; }

    public int WordCount => _words.Length;

    /// <summary>How many pages are marked.</summary>
    public long Count
    {
        get
        {
            long count = 0;
            for (var at = NextWord(0); at < _words.Length; at = NextWord(at + 1)) count += BitOperations.PopCount(Volatile.Read(ref _words[at]));
            return count;
        }
    }

    /// <summary>Marks a page. Must be called after the store into the page: a page marked before it could be sent stale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Mark(long page)
    {
        ref var word = ref _words[page >> 6];
        var bit = 1UL << (int)(page & 63);
        // Keeps the compiler from turning store and test round. What the processor makes of them, the reader's barrier settles.
        Volatile.WriteBarrier();
        if ((Volatile.Read(ref word) & bit) == 0)
            Interlocked.Or(ref word, bit);
    }

    /// <summary>The first word from there on that has a bit; <see cref="WordCount"/> when none has. The bits stay.</summary>
    public int Next(int from) => NextWord(from);

    /// <summary>64 pages' bits, which stay.</summary>
    public ulong Look(int word) => Volatile.Read(ref _words[word]);

    /// <summary>Takes the bits of words that lie together, and leaves none. False when there are none. Looks at no other word.</summary>
    public bool TryTake(int first, Span<ulong> taken)
    {
        var any = false;
        for (var i = 0; i < taken.Length; i++)
        {
            taken[i] = Volatile.Read(ref _words[first + i]) == 0 ? 0 : Interlocked.Exchange(ref _words[first + i], 0);
            any |= taken[i] != 0;
        }
        if (any) FinishStores();
        return any;
    }

    /// <summary>Takes all bits and adds them to <paramref name="words"/>. Returns how many of them were not there yet.</summary>
    public long TakeInto(ulong[] words)
    {
        long found = 0;
        var at = NextWord(0);
        if (at == _words.Length) return 0;
        for (; at < _words.Length; at = NextWord(at + 1))
        {
            var taken = Interlocked.Exchange(ref _words[at], 0);
            found += BitOperations.PopCount(taken & ~words[at]);
            words[at] |= taken;
        }
        FinishStores();
        return found;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    int NextWord(int from) => BitWords.Next(_words, from);

    // A few tenths of a microsecond when no other thread of this process runs, about ten when one does.
    static void FinishStores() => Interlocked.MemoryBarrierProcessWide();
}
