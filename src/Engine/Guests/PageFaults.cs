using System.Diagnostics;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Guests;

/// <summary>
/// The missing pages of a guest that runs before all of its memory is there; which vCPUs wait for them, and what that costs
/// (postcopy-ram.c of QEMU with its blocktime). A fault begins when a vCPU needs a page that is not there, and is over when the page is; a
/// vCPU that is stopped meanwhile is not blocked for that time. Nothing is allocated for a fault. Thread-safe.
/// <para>
/// No wake-up is lost: who waits raises the count, fences and looks for the page again; who brings a page marks it as come, fences
/// and looks at the count.
/// </para>
/// </summary>
/// <param name="processors">How many vCPUs there are; each waits for one page at a time.</param>
/// <param name="hasCome">Whether a page is there. Called from any thread; must not block.</param>
/// <param name="request">Asks for a page: once for each that is waited for anew, on the vCPU's thread. Must not block.</param>
sealed class PageFaults(int processors, Func<RamBlock, long, bool> hasCome, Action<RamBlock, long> request)
{
    // Woken between two looks at the lock.
    const int MostAtOnce = 32;

    readonly Lock _lock = new();
    readonly Fault[] _faults = new Fault[processors];
    // The vCPUs with an open fault, the first so many of them.
    readonly int[] _open = new int[processors];
    readonly LatencyHistogram _latencies = new();
    int _openCount;
    int _blockedCount;
    long _allBlockedSince;
    TimeSpan _allBlocked;
    long _faultCount;
    long _requested;
    long _pages;

    /// <summary>How many of the vCPUs run at all; those that have nothing to do never wait. To be set before any of them runs.</summary>
    public int Runners { get; set; } = processors;

    /// <summary>The bits of a block's pages as whoever brings them sets them, for a quick look: what has one is there. Null where there are none.</summary>
    public Func<RamBlock, ulong[]>? Bitmaps { get; set; }

    /// <summary>The bits of a block's pages, or none; a page without is there or not.</summary>
    public ulong[] BitmapOf(RamBlock block) => Bitmaps?.Invoke(block) ?? [];

    /// <summary>Whether the guest would have to wait for this page.</summary>
    public bool IsMissing(RamBlock block, long page) => !hasCome(block, page);

    /// <summary>
    /// A vCPU needs a page, and sleeps from here on until <paramref name="wake"/>, <see cref="Pause"/> at the latest; goes on with its fault when
    /// it has one. False when the page is there. Calls nothing but hasCome and request.
    /// </summary>
    public bool Begin(int processor, RamBlock block, long page, Action wake)
    {
        bool isNew;
        lock (_lock)
        {
            ref var fault = ref _faults[processor];
            // Its page has come, and whoever brought it has not got here yet.
            if (fault.Block is not null && (fault.Page != page || fault.Block != block)) End(ref fault, Array.IndexOf(_open, processor), Stopwatch.GetTimestamp());
            isNew = fault.Block is null;
            if (isNew && !TryOpen(ref fault, processor, block, page, wake)) return false;
            isNew &= !IsWaitedFor(block, page, processor);
            if (isNew) _requested++;
            Block(ref fault);
        }
        if (isNew) TryRequest(block, page);
        return true;
    }

    // One that can't be asked for comes with the rest.
    void TryRequest(RamBlock block, long page)
    {
        try
        {
            request(block, page);
        }
#pragma warning disable CA1031 // The vCPU waits either way.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }

    /// <summary>The vCPU does not wait any longer, be its page there or not: it was stopped, or goes on.</summary>
    public void Pause(int processor)
    {
        lock (_lock) Unblock(ref _faults[processor], Stopwatch.GetTimestamp());
    }

    /// <summary>
    /// Pages that lie together are there; to be called after they count as come. Any thread; next to free when nobody waits.
    /// </summary>
    public void PageCame(RamBlock block, long first, int count)
    {
        // Counts, and is the fence between the mark and the look.
        Interlocked.Add(ref _pages, count);
        if (Volatile.Read(ref _openCount) == 0) return;
        while (WakeSome(block, first, count))
        {
        }
    }

    /// <summary>Asks once more for every page that is waited for: the requests may have been lost with a link.</summary>
    public void RequestAgain()
    {
        var asked = new HashSet<(RamBlock Block, long Page)>();
        lock (_lock)
        {
            foreach (var processor in _open.AsSpan(0, _openCount)) asked.Add((_faults[processor].Block!, _faults[processor].Page));
        }
        foreach (var (block, page) in asked) TryRequest(block, page);
    }

    /// <summary>What it cost so far. Percentiles are those of a histogram (<see cref="LatencyHistogram"/>), the worst is exact.</summary>
    public PostcopyFigures Figures
    {
        get
        {
            lock (_lock)
            {
                var now = Stopwatch.GetTimestamp();
                return new()
                {
                    Faults = _faultCount,
                    RequestedPages = _requested,
                    MedianLatency = _latencies.Permille(500),
                    Latency99 = _latencies.Permille(990),
                    WorstLatency = _latencies.Worst,
                    Latencies = _latencies.Octaves(),
                    BlockedTimes = Array.ConvertAll(_faults, fault => fault.BlockedAt(now)),
                    BlockedTime = _allBlocked + (IsAllBlocked ? Stopwatch.GetElapsedTime(_allBlockedSince, now) : TimeSpan.Zero),
                    Pages = Interlocked.Read(ref _pages),
                };
            }
        }
    }

    bool IsAllBlocked => _blockedCount > 0 && _blockedCount == Runners;

    bool TryOpen(ref Fault fault, int processor, RamBlock block, long page, Action wake)
    {
        _open[_openCount] = processor;
        Volatile.Write(ref _openCount, _openCount + 1);
        Interlocked.MemoryBarrier();
        if (hasCome(block, page))
        {
            _openCount--;
            return false;
        }
        (fault.Block, fault.Page, fault.Wake, fault.Since) = (block, page, wake, Stopwatch.GetTimestamp());
        _faultCount++;
        return true;
    }

    bool IsWaitedFor(RamBlock block, long page, int exceptBy)
    {
        foreach (var processor in _open.AsSpan(0, _openCount))
            if (processor != exceptBy && _faults[processor].Page == page && _faults[processor].Block == block) return true;
        return false;
    }

    /// <summary>Ends up to so many faults of these pages. A vCPU takes its own lock first and then this one, so it is woken behind this one.</summary>
    bool WakeSome(RamBlock block, long first, int count)
    {
        Span<int> ended = stackalloc int[MostAtOnce];
        var endedCount = 0;
        lock (_lock)
        {
            var now = Stopwatch.GetTimestamp();
            for (var i = _openCount - 1; i >= 0 && endedCount < MostAtOnce; i--)
            {
                ref var fault = ref _faults[_open[i]];
                if (fault.Block != block || fault.Page < first || fault.Page - first >= count) continue;
                ended[endedCount++] = _open[i];
                End(ref fault, i, now);
            }
        }
        foreach (var processor in ended[..endedCount]) _faults[processor].Wake!();
        return endedCount == MostAtOnce;
    }

    void End(ref Fault fault, int place, long now)
    {
        _latencies.Add(Stopwatch.GetElapsedTime(fault.Since, now));
        Unblock(ref fault, now);
        fault.Block = null;
        _open[place] = _open[--_openCount];
    }

    void Block(ref Fault fault)
    {
        if (fault.BlockedSince != 0) return;
        fault.BlockedSince = Stopwatch.GetTimestamp();
        _blockedCount++;
        if (IsAllBlocked) _allBlockedSince = fault.BlockedSince;
    }

    void Unblock(ref Fault fault, long now)
    {
        if (fault.BlockedSince == 0) return;
        if (IsAllBlocked) _allBlocked += Stopwatch.GetElapsedTime(_allBlockedSince, now);
        fault.Blocked += Stopwatch.GetElapsedTime(fault.BlockedSince, now);
        fault.BlockedSince = 0;
        _blockedCount--;
    }

    /// <summary>What one vCPU waits for, and how long it has waited in all.</summary>
    struct Fault
    {
        /// <summary>Null while there is none.</summary>
        public RamBlock? Block;

        public long Page;

        public Action? Wake;

        /// <summary>When it began.</summary>
        public long Since;

        /// <summary>Since when the vCPU stands for it; 0 while it does not, or was stopped.</summary>
        public long BlockedSince;

        public TimeSpan Blocked;

        public readonly TimeSpan BlockedAt(long now) => Blocked + (BlockedSince == 0 ? TimeSpan.Zero : Stopwatch.GetElapsedTime(BlockedSince, now));
    }
}
