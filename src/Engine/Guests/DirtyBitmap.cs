using System.Numerics;
using System.Runtime.CompilerServices;

namespace PsMigrate.Engine.Guests;

/// <summary>One bit a page, set by many writers and collected by one reader.</summary>
sealed class DirtyBitmap
{
    readonly ulong[] _words;

    public DirtyBitmap(long pages)
    {
        Pages = pages;
        _words = new ulong[(pages + 63) / 64];
    }

    public long Pages { get; }

    public int WordCount => _words.Length;

    /// <summary>
    /// Marks a page. Must be called after the store into the page: a page marked before it could be sent stale. The fence
    /// keeps the test of the bit behind that store; without it a mark is lost when the reader clears the word in between.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Mark(long page)
    {
        ref var word = ref _words[page >> 6];
        var bit = 1UL << (int)(page & 63);
        Interlocked.MemoryBarrier();
        if ((Volatile.Read(ref word) & bit) == 0)
            Interlocked.Or(ref word, bit);
    }

    /// <summary>64 pages' bits, which stay.</summary>
    public ulong Look(int word) => Volatile.Read(ref _words[word]);

    /// <summary>Takes 64 pages' bits and leaves none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Take(int word) => Volatile.Read(ref _words[word]) == 0 ? 0 : Interlocked.Exchange(ref _words[word], 0);
}

/// <summary>One bit a page, owned by one thread: what is still to be sent.</summary>
sealed class PageBitmap
{
    readonly ulong[] _words;

    public PageBitmap(long pages)
    {
        Pages = pages;
        _words = new ulong[(pages + 63) / 64];
    }

    public long Pages { get; }

    /// <summary>How many bits are set.</summary>
    public long Count { get; private set; }

    public void SetAll()
    {
        Array.Fill(_words, ulong.MaxValue);
        if (Pages % 64 != 0) _words[^1] = (1UL << (int)(Pages % 64)) - 1;
        Count = Pages;
    }

    /// <summary>The bits of 64 pages.</summary>
    public ulong Word(int index) => _words[index];

    public int WordCount => _words.Length;

    /// <summary>The first word from there on that has bits; <see cref="WordCount"/> when none has.</summary>
    public int NextWord(int from)
    {
        if (from < _words.Length && _words[from] != 0) return from;
        var next = _words.AsSpan(from).IndexOfAnyExcept(0UL);
        return next < 0 ? _words.Length : from + next;
    }

    /// <summary>How many words from there on have all their bits, up to so many.</summary>
    public int FullWords(int from, int max)
    {
        var words = _words.AsSpan(from, Math.Min(max, _words.Length - from));
        var end = words.IndexOfAnyExcept(ulong.MaxValue);
        return end < 0 ? words.Length : end;
    }

    /// <summary>Clears words of which all bits are set.</summary>
    public void ClearWords(int first, int count)
    {
        _words.AsSpan(first, count).Clear();
        Count -= count * 64L;
    }

    /// <summary>Sets bits of one word, and returns how many were not set.</summary>
    public int SetBits(int word, ulong bits)
    {
        var found = BitOperations.PopCount(bits & ~_words[word]);
        _words[word] |= bits;
        Count += found;
        return found;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void ClearBits(int word, ulong bits)
    {
        _words[word] &= ~bits;
        Count -= BitOperations.PopCount(bits);
    }

    /// <summary>
    /// Takes over what the log holds. Returns how many pages turned dirty that were not yet (QEMU's num_dirty_pages_period).
    /// </summary>
    public long Collect(DirtyBitmap log)
    {
        long found = 0;
        for (var i = 0; i < _words.Length; i++)
        {
            var taken = log.Take(i);
            if (taken == 0) continue;
            found += BitOperations.PopCount(taken & ~_words[i]);
            _words[i] |= taken;
        }
        Count += found;
        return found;
    }
}
