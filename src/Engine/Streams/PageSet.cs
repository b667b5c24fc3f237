namespace PsMigrate.Engine.Streams;

/// <summary>
/// Which pages of which block: a bitmap in chunks that come into being when a page in them is added. Emptying costs nothing; a
/// chunk of an earlier generation is empty.
/// </summary>
sealed class PageSet
{
    const int PagesPerChunk = 32768;

    readonly List<Chunk?[]> _blocks = [];
    int _generation = 1;

    /// <summary>Pages in it.</summary>
    public long Count { get; private set; }

    public void Clear()
    {
        _generation++;
        Count = 0;
    }

    /// <summary>Whether the page was not yet in it.</summary>
    public bool Add(BlockTally block, long page)
    {
        var (chunk, word, bit) = Find(block, page);
        if ((chunk.Bits[word] & bit) != 0) return false;
        chunk.Bits[word] |= bit;
        Count++;
        return true;
    }

    /// <summary>Whether the page was in it.</summary>
    public bool Remove(BlockTally block, long page)
    {
        var (chunk, word, bit) = Find(block, page);
        if ((chunk.Bits[word] & bit) == 0) return false;
        chunk.Bits[word] &= ~bit;
        Count--;
        return true;
    }

    (Chunk Chunk, int Word, ulong Bit) Find(BlockTally block, long page)
    {
        while (_blocks.Count <= block.Index) _blocks.Add([]);
        var chunks = _blocks[block.Index];
        if (chunks.Length == 0)
            _blocks[block.Index] = chunks = new Chunk?[(block.Length / RamReader.PageSize / PagesPerChunk) + 1];
        var (index, inside) = Math.DivRem(page, PagesPerChunk);
        var chunk = chunks[index] ??= new Chunk();
        if (chunk.Generation != _generation)
        {
            Array.Clear(chunk.Bits);
            chunk.Generation = _generation;
        }
        return (chunk, (int)(inside / 64), 1UL << (int)(inside % 64));
    }

    sealed class Chunk
    {
        public readonly ulong[] Bits = new ulong[PagesPerChunk / 64];
        public int Generation;
    }
}
