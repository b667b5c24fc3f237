using System.Runtime.CompilerServices;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Notices where arriving pages lie one behind the other, and has the memory that comes next mapped in large pages: a fault for
/// 2 MiB costs little more than one for 4 KiB. A sparse guest stays sparse: every large page follows 2 MiB that came without a
/// gap, so that a guest takes at most twice what was sent of it. The same holds for what is mapped ahead while nothing comes: as much as came
/// without a gap. A system may be slow to give memory, of a virtual machine above all, and the last pages come while the guest stands.
/// </summary>
struct DenseArrival
{
    const long LargePage = GuestMemory.LargePageSize / GuestMemory.PageSize;
    const int ChunksPerLargePage = (int)LargePage / RamBlock.PagesPerChunk;

    /// <summary>Each stretch is a mapping of its own to the system, which allows some 65,000 to a process, whoever sends.</summary>
    public const int MaxStretches = 256;

    // Of a guest with a limit of 1 GB/s and 100 ms nearly all that may be left.
    const long MostAhead = (128L << 20) / GuestMemory.PageSize;

    long _runStart;
    long _next;
    long _ahead;
    long _expected;
    int _stretches;

    /// <summary>To be called before each page is written.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Arriving(GuestMemory memory, RamBlock block, long page)
    {
        if (page != _next) Begin(page);
        _next = page + 1;
        if (page % LargePage == 0 && page - _runStart >= LargePage) ExpectMore(memory, block, page);
    }

    /// <summary>To be called before pages that lie together are written.</summary>
    public void ArrivingRun(GuestMemory memory, RamBlock block, long first, int count)
    {
        if (first != _next) Begin(first);
        _next = first + count;
        for (var page = (first + LargePage - 1) / LargePage * LargePage; page < _next; page += LargePage)
            if (page - _runStart >= LargePage) ExpectMore(memory, block, page);
    }

    /// <summary>Another block follows: its pages go on with nothing.</summary>
    public void Interrupt() => (_next, _ahead) = (-1, 0);

    /// <summary>
    /// Has one large page more of what comes next mapped, before its turn; false when as much is as may be. To be called while there is nothing else to
    /// do, on the thread that writes the pages.
    /// </summary>
    public bool TouchAhead(GuestMemory memory, RamBlock block)
    {
        var end = Math.Min(_next + Math.Min(_next - _runStart, MostAhead), block.Pages);
        var page = Math.Max(_ahead, (_next + LargePage - 1) / LargePage * LargePage);
        if (_next <= 0 || page + LargePage > end) return false;
        ExpectMore(memory, block, page);
        _ahead = page + LargePage;
        if (block.UntouchedChunks((int)(page / RamBlock.PagesPerChunk), ChunksPerLargePage) == ChunksPerLargePage) return memory.Touch(block, page, LargePage);
        return true;
    }

    void Begin(long page) => (_runStart, _ahead) = (page, 0);

    void ExpectMore(GuestMemory memory, RamBlock block, long page)
    {
        // Said already, when it was touched.
        if (page < _ahead) return;
        if (block.Pages - page < LargePage || block.IsTouched(page / RamBlock.PagesPerChunk)) return;
        if (page != _expected && ++_stretches > MaxStretches) return;
        _expected = page + LargePage;
        memory.ExpectDense(block, page, LargePage);
    }
}
