using System.Numerics;
using System.Runtime.CompilerServices;

namespace PsMigrate.Engine.Guests;

/// <summary>One bit a page, owned by one thread: what is still to be sent.</summary>
sealed class PageBitmap(long pages)
{
    readonly ulong[] _words = new ulong[BitWords.Count(pages)];

    public long Pages => pages;

    /// <summary>How many bits are set.</summary>
    public long Count { get; private set; }

    public int WordCount => _words.Length;

    public void SetAll()
    {
        Array.Fill(_words, ulong.MaxValue);
        if (pages % 64 != 0) _words[^1] = BitWords.Mask(0, (int)(pages % 64));
        Count = pages;
    }

    /// <summary>The bits of 64 pages.</summary>
    public ulong Word(int index) => _words[index];

    /// <summary>The first word from <paramref name="from"/> on that has a bit; <see cref="WordCount"/> when none has.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int NextWord(int from) => BitWords.Next(_words, from);

    /// <summary>The first page from there on whose bit is set; <see cref="Pages"/> when there is none.</summary>
    public long NextSet(long from)
    {
        if (from >= pages) return pages;
        var at = (int)(from / 64);
        var word = _words[at] & (ulong.MaxValue << (int)(from % 64));
        if (word == 0) word = (at = NextWord(at + 1)) < _words.Length ? _words[at] : 0;
        return word == 0 ? pages : (at * 64L) + BitOperations.TrailingZeroCount(word);
    }

    /// <summary>The first page from there on whose bit is not set; <see cref="Pages"/> when all are.</summary>
    public long NextClear(long from)
    {
        if (from >= pages) return pages;
        var at = (int)(from / 64);
        var word = ~_words[at] & (ulong.MaxValue << (int)(from % 64));
        if (word == 0) word = (at += 1 + FullWords(at + 1, _words.Length)) < _words.Length ? ~_words[at] : 0;
        return word == 0 ? pages : Math.Min(pages, (at * 64L) + BitOperations.TrailingZeroCount(word));
    }

    /// <summary>Sets the bits that are not given, and clears the others.</summary>
    public void SetAllBut(ReadOnlySpan<ulong> others)
    {
        SetAll();
        for (var i = 0; i < _words.Length; i++) ClearBits(i, _words[i] & others[i]);
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
        var found = log.TakeInto(_words);
        Count += found;
        return found;
    }
}
