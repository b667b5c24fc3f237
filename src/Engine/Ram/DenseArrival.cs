using System.Runtime.CompilerServices;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Notices where arriving pages lie one behind the other, and has the memory that comes next mapped in large pages: a fault for
/// 2 MiB costs little more than one for 4 KiB. A sparse guest stays sparse: every large page follows 2 MiB that came without a
/// gap, so that a guest takes at most twice what was sent of it.
/// </summary>
struct DenseArrival
{
    const long LargePage = GuestMemory.LargePageSize / GuestMemory.PageSize;

    /// <summary>Each stretch is a mapping of its own to the system, which allows some 65,000 to a process, whoever sends.</summary>
    public const int MaxStretches = 256;

    long _runStart;
    long _next;
    long _expected;
    int _stretches;

    /// <summary>To be called before each page is written.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Arriving(GuestMemory memory, RamBlock block, long page)
    {
        if (page != _next) _runStart = page;
        _next = page + 1;
        if (page % LargePage == 0 && page - _runStart >= LargePage) ExpectMore(memory, block, page);
    }

    /// <summary>To be called before pages that lie together are written.</summary>
    public void ArrivingRun(GuestMemory memory, RamBlock block, long first, int count)
    {
        if (first != _next) _runStart = first;
        _next = first + count;
        for (var page = (first + LargePage - 1) / LargePage * LargePage; page < _next; page += LargePage)
            if (page - _runStart >= LargePage) ExpectMore(memory, block, page);
    }

    /// <summary>Another block follows: its pages go on with nothing.</summary>
    public void Interrupt() => _next = -1;

    void ExpectMore(GuestMemory memory, RamBlock block, long page)
    {
        if (block.Pages - page < LargePage || block.IsTouched(page / RamBlock.PagesPerChunk)) return;
        if (page != _expected && ++_stretches > MaxStretches) return;
        _expected = page + LargePage;
        memory.ExpectDense(block, page, LargePage);
    }
}
