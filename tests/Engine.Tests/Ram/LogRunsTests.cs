using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>What the dirty log holds, as runs, against the same page by page.</summary>
public sealed class LogRunsTests : IDisposable
{
    // The second one does not fill its last word, and the first page of the third one is no neighbour of its last.
    static readonly (string Name, long Length)[] Blocks = [("a", 200 * 4096), ("b", 131 * 4096), ("c", 1000 * 4096)];

    readonly GuestMemory _memory = new(Blocks);

    public LogRunsTests() => _memory.StartLog(_memory.MakeLogs());

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void They_are_those_that_are_found_page_by_page(int seed)
    {
        var random = new Random(seed);
        for (var write = random.Next(60); write > 0; write--)
        {
            var block = _memory.Blocks[random.Next(3)];
            var first = random.NextInt64(block.Pages);
            for (var page = first; page < Math.Min(block.Pages, first + random.Next(1, 150)); page++) Write(block, page);
        }
        // The ends of blocks and words.
        Write(_memory.Blocks[0], 199);
        Write(_memory.Blocks[1], 0);
        Write(_memory.Blocks[1], 130);
        Write(_memory.Blocks[2], 0);
        var plain = Plain();
        var before = Marked();
        var runs = new WrittenRun[plain.Count];
        Assert.Equal(plain.Count, LogRuns.Find(_memory, runs));
        Assert.Equal(plain, runs);
        // Nothing was taken.
        Assert.Equal(before, Marked());
        Assert.Equal(-1, LogRuns.Find(_memory, runs.AsSpan(1)));
    }

    [Fact]
    public void A_clean_log_has_none() => Assert.Equal(0, LogRuns.Find(_memory, []));

    [Fact]
    public void Without_a_log_there_are_none()
    {
        Write(_memory.Blocks[0], 5);
        _memory.StopLog();
        Assert.Equal(0, LogRuns.Find(_memory, []));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void The_memory_in_use_around_a_place_is_that_of_its_neighbours(int seed)
    {
        var random = new Random(seed);
        var block = _memory.Blocks[2];
        for (var write = 0; write < 6; write++) Write(block, random.NextInt64(block.Pages));
        for (var chunk = 0; chunk < 16; chunk++)
        {
            var (first, end) = (chunk, chunk);
            while (first > 0 && block.IsTouched(chunk) && block.IsTouched(first - 1)) first--;
            while (end < 16 && block.IsTouched(end)) end++;
            Assert.Equal((first, end), block.TouchedAround(chunk));
        }
    }

    public void Dispose() => _memory.Release();

    List<WrittenRun> Plain()
    {
        var runs = new List<WrittenRun>();
        long start = 0;
        foreach (var block in _memory.Blocks)
        {
            for (long page = 0; page < block.Pages; page++)
            {
                if (!IsMarked(block, page)) continue;
                if (page > 0 && IsMarked(block, page - 1)) runs[^1] = runs[^1] with { End = start + page + 1 };
                else runs.Add(new WrittenRun(start + page, start + page + 1));
            }
            start += block.Pages;
        }
        return runs;
    }

    long Marked() => _memory.Blocks.Sum(block => block.Log!.Count);

    static bool IsMarked(RamBlock block, long page) => (block.Log!.Look((int)(page / 64)) >> (int)(page % 64) & 1) != 0;

    static unsafe void Write(RamBlock block, long page)
    {
        block.PageForWrite(page)[0] = 1;
        block.Wrote(page);
    }
}
