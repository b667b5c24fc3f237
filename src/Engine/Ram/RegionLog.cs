using System.Diagnostics;
using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// What a migration finds in the dirty log, counted by regions of memory, for a trace. It reads nothing that the migration would not read,
/// and so costs the guest nothing: the log is looked at right before pages go, which is at another moment for each region, and at the
/// end of a pass for all. One thread.
/// </summary>
sealed class RegionLog
{
    readonly GuestMemory _memory;
    readonly int[] _found;
    readonly int[] _looked;
    // Of the words of a region that were looked at, how many, and the sum of when.
    readonly int[] _looks;
    readonly double[] _when;
    long _begin;
    long _collected;

    public RegionLog(MemoryGuest guest)
    {
        _memory = guest.Memory;
        var pages = _memory.Length / GuestMemory.PageSize;
        // Whole words, so that none belongs to two.
        var regionPages = (((pages + MigrationTrace.MostRegions - 1) / MigrationTrace.MostRegions) + 63) / 64 * 64;
        var regions = (int)((pages + regionPages - 1) / regionPages);
        (_found, _looked, _looks, _when) = (new int[regions], new int[regions], new int[regions], new double[regions]);
        Layout = new TraceLayout(regionPages, new long[regions], Owners(guest, regionPages, regions));
    }

    /// <summary>The regions.</summary>
    public TraceLayout Layout { get; }

    /// <summary>The log is on, and all of it clean.</summary>
    public void Begin()
    {
        long first = 0;
        foreach (var block in _memory.Blocks)
        {
            var chunks = BitWords.Count(block.Pages);
            for (var at = block.UntouchedChunks(0, chunks); at < chunks; at++, at += block.UntouchedChunks(at, chunks - at))
                Layout.UsedPages[Region(first + (at * 64L))] += Math.Min(64, block.Pages - (at * 64L));
            first += block.Pages;
        }
        _begin = _collected = Stopwatch.GetTimestamp();
    }

    /// <summary>The log of these words was taken.</summary>
    /// <param name="firstPage">The first page of the first word, when the blocks lie one behind the other.</param>
    /// <param name="words">What was found.</param>
    public void Look(long firstPage, ReadOnlySpan<ulong> words)
    {
        var now = Stopwatch.GetElapsedTime(_begin).TotalSeconds;
        foreach (var bits in words)
        {
            var region = Region(firstPage);
            _looked[region] += BitOperations.PopCount(bits);
            _looks[region]++;
            _when[region] += now;
            firstPage += 64;
        }
    }

    /// <summary>The log is about to be collected.</summary>
    public void Collect()
    {
        long first = 0;
        foreach (var block in _memory.Blocks)
        {
            if (block.Log is { } log)
                for (var at = log.Next(0); at < log.WordCount; at = log.Next(at + 1)) _found[Region(first + (at * 64L))] += BitOperations.PopCount(log.Look(at));
            first += block.Pages;
        }
        _collected = Stopwatch.GetTimestamp();
    }

    /// <summary>A pass ended with the last collection, and the next one begins.</summary>
    public RegionCounts End()
    {
        var lookedAt = new double[_found.Length];
        for (var region = 0; region < lookedAt.Length; region++) lookedAt[region] = _looks[region] == 0 ? -1 : _when[region] / _looks[region];
        var counts = new RegionCounts([.. _found], [.. _looked], lookedAt);
        Array.Clear(_found);
        Array.Clear(_looked);
        Array.Clear(_looks);
        Array.Clear(_when);
        _begin = _collected;
        return counts;
    }

    // What lies before the first full word of a further block may count in the region before.
    int Region(long page) => (int)Math.Min(page / Layout.RegionPages, _found.Length - 1);

    /// <summary>No other vCPU writes to the share of one, and all shares are in the first block.</summary>
    static int[] Owners(MemoryGuest guest, long regionPages, int regions)
    {
        var owners = new int[regions];
        for (var region = 0; region < regions; region++)
        {
            long first = region * regionPages, last = first + regionPages - 1;
            var writers = guest.Cpus.Where(cpu => cpu.Program.FirstPage <= last && cpu.Program.FirstPage + cpu.Program.PageCount > first).ToArray();
            owners[region] = writers.Length == 1 ? writers[0].Index : -1;
        }
        return owners;
    }
}
