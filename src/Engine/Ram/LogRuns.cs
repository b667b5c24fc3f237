using System.Numerics;
using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Ram;

/// <summary>What the dirty log holds, as pages that lie side by side; nothing is taken from it.</summary>
static class LogRuns
{
    const int TooMany = -1;

    /// <summary>In the order of addresses, all blocks one behind the other; of two blocks they are never taken together.</summary>
    /// <returns>How many; -1 when there are more than fit, which ends the look.</returns>
    public static int Find(GuestMemory memory, Span<WrittenRun> runs)
    {
        var count = 0;
        long start = 0;
        foreach (var block in memory.Blocks)
        {
            if (block.Log is { } log) count = Add(log, start, runs, count);
            if (count < 0) return TooMany;
            start += block.Pages;
        }
        return count;
    }

    static int Add(DirtyBitmap log, long start, Span<WrittenRun> runs, int count)
    {
        // Never the page behind the last one of another block.
        long end = -1;
        for (var at = log.Next(0); at < log.WordCount; at = log.Next(at + 1))
            for (var bits = log.Look(at); bits != 0;)
            {
                var bit = BitOperations.TrailingZeroCount(bits);
                var length = BitOperations.TrailingZeroCount(~(bits >> bit));
                var page = start + (at * 64L) + bit;
                if (page != end && count == runs.Length) return TooMany;
                if (page != end) runs[count++] = new WrittenRun(page, page + length);
                else runs[count - 1] = runs[count - 1] with { End = page + length };
                end = page + length;
                bits = bit + length >= 64 ? 0 : bits & (ulong.MaxValue << (bit + length));
            }
        return count;
    }
}
