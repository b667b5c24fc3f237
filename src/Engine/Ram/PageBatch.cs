using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>Pages of one block that go in one packet, on their way from the thread that gives them to the channel that sends them.</summary>
sealed class PageBatch
{
    readonly (int Word, ulong Bits)[] _words = new (int, ulong)[MultifdPacket.MaxPages];
    int _wordCount;

    /// <summary>Whose pages; null while there are none.</summary>
    public RamBlock? Block { get; private set; }

    /// <summary>How many pages.</summary>
    public int Count { get; private set; }

    public bool IsFull => Count == MultifdPacket.MaxPages;

    /// <summary>Which words of the block's bitmap, and which bits of them.</summary>
    public ReadOnlySpan<(int Word, ulong Bits)> Words => _words.AsSpan(0, _wordCount);

    public void Begin(RamBlock block) => (Block, Count, _wordCount) = (block, 0, 0);

    /// <summary>Takes pages of one word as long as there is room, and returns those that are left.</summary>
    public ulong Add(int word, ulong bits)
    {
        var taken = Lowest(bits, MultifdPacket.MaxPages - Count);
        if (taken == 0) return bits;
        _words[_wordCount++] = (word, taken);
        Count += BitOperations.PopCount(taken);
        return bits & ~taken;
    }

    /// <summary>The lowest so many of the bits, or all.</summary>
    public static ulong Lowest(ulong bits, long count)
    {
        if (count >= BitOperations.PopCount(bits)) return bits;
        var left = bits;
        for (; count > 0; count--) left &= left - 1;
        return bits & ~left;
    }
}
