using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Which pages of a block were asked for. What was asked for before is stepped over, however much of it there is: a word of the bitmap that is
/// full points behind itself, and whoever passes shortens the way (a disjoint-set forest). One thread at a time.
/// </summary>
sealed class AskedPages
{
    readonly ulong[] _words;
    // Where to look for the next word that is not full; one that is not names itself.
    readonly int[] _next;

    public AskedPages(long pages)
    {
        _words = new ulong[BitWords.Count(pages)];
        _next = new int[_words.Length + 1];
        for (var i = 0; i < _next.Length; i++) _next[i] = i;
    }

    /// <summary>Words and pointers that were looked at.</summary>
    public long Steps { get; private set; }

    /// <summary>The first word from there on that may have a page which was not asked for; the number of words when there is none.</summary>
    public int NextOpen(int word)
    {
        for (; _next[word] != word; word = _next[word])
        {
            Steps++;
            _next[word] = _next[_next[word]];
        }
        return word;
    }

    /// <summary>Pages of a word are asked for; returns those of them that were not before.</summary>
    public ulong Ask(int word, ulong pages)
    {
        Steps++;
        var isNew = pages & ~_words[word];
        _words[word] |= pages;
        if (_words[word] == ulong.MaxValue) _next[word] = word + 1;
        return isNew;
    }
}
