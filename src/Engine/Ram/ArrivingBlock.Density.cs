using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Where pages come densely through several connections, the memory that comes next is mapped in large pages. What
/// <see cref="DenseArrival"/> does for one stream in order can't be done here: each connection sees gaps. So it is what came before
/// that counts, of the last 8 MiB at least five eighths with content, which lets a guest take less than three times what was sent of it.
/// </summary>
sealed unsafe partial class ArrivingBlock
{
    const int LargePage = GuestMemory.LargePageSize / GuestMemory.PageSize;
    const int ChunksPerLargePage = LargePage / RamBlock.PagesPerChunk;
    const int Window = 4;

    // Pages with content that came of each large page. Threads may lose a count to each other: it is a hint.
    readonly ushort[] _came = new ushort[(block.Pages / LargePage) + 1];
    readonly Lock _densityLock = new();
    ulong[]? _dense;
    int _stretches;

    /// <summary>To be called by any thread before it writes a page that came with content, in whatever order.</summary>
    public void Arriving(GuestMemory memory, long page)
    {
        // Mostly nothing more: large pages are begun once.
        if (!block.IsTouched(page / RamBlock.PagesPerChunk)) Begin(memory, page / LargePage);
        ref var came = ref _came[page / LargePage];
        if (came < ushort.MaxValue) came++;
    }

    void Begin(GuestMemory memory, long large)
    {
        var chunk = (int)large * ChunksPerLargePage;
        if (large == 0 || block.Pages - (large * LargePage) < LargePage) return;
        if (block.UntouchedChunks(chunk, ChunksPerLargePage) < ChunksPerLargePage || !CameDensely((int)large)) return;
        if (TryExtend(large)) memory.ExpectDense(block, large * LargePage, LargePage);
    }

    /// <summary>Adds a large page to the stretches that there are; false when it is in one, or would make too many.</summary>
    bool TryExtend(long large)
    {
        lock (_densityLock)
        {
            _dense ??= new ulong[BitWords.Count((block.Pages / LargePage) + 2)];
            // The first large page never is one, and the last has room behind it: both neighbours have a bit.
            var more = 1 - Dense(large - 1) - Dense(large + 1);
            if (Dense(large) != 0 || _stretches + more > DenseArrival.MaxStretches) return false;
            _stretches += more;
            _dense[large >> 6] |= 1UL << (int)(large & 63);
            return true;
        }
    }

    int Dense(long large) => (int)(_dense![large >> 6] >> (int)(large & 63)) & 1;

    /// <summary>Whether most pages of what lies before this large page came with content.</summary>
    bool CameDensely(int large)
    {
        var from = Math.Max(0, large - Window);
        var come = 0;
        for (var i = from; i < large; i++) come += Math.Min(Volatile.Read(ref _came[i]), (ushort)LargePage);
        return come >= (large - from) * LargePage * 5 / 8;
    }
}
