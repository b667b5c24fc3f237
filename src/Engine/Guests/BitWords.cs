using System.Runtime.CompilerServices;

namespace PsMigrate.Engine.Guests;

/// <summary>Bits of pages in words of 64. The largest guest has 2^32 pages, and so 2^26 words: their number is an int.</summary>
static class BitWords
{
    /// <summary>How many words so many pages take.</summary>
    public static int Count(long pages) => checked((int)((pages + 63) / 64));

    /// <summary>So many bits of a word from <paramref name="first"/> on; together with it at most 64.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Mask(int first, int count) => (count == 64 ? ulong.MaxValue : (1UL << count) - 1) << first;

    /// <summary>Whether a page has its bit, in words that other threads set bits of; false for a page that they have no word for.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Has(ulong[] words, long page)
    {
        var word = (ulong)page >> 6;
        return word < (ulong)words.Length && (Volatile.Read(ref words[word]) & (1UL << (int)(page & 63))) != 0;
    }

    /// <summary>The first word from <paramref name="from"/> on that has a bit; the number of words when none has. Looks at eight at a time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Next(ulong[] words, int from)
    {
        // Where most pages are dirty, the word itself is it.
        if ((uint)from < (uint)words.Length && Volatile.Read(ref words[from]) != 0) return from;
        return Search(words, from);
    }

    static int Search(ulong[] words, int from)
    {
        if (from >= words.Length) return words.Length;
        var found = words.AsSpan(from).IndexOfAnyExcept(0UL);
        return found < 0 ? words.Length : from + found;
    }
}
