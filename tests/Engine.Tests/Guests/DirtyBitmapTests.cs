using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Tests.Guests;

/// <summary>The dirty log and its twin on the sending thread.</summary>
public sealed class DirtyBitmapTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(4096)]
    public void Every_page_is_taken_once(long pages)
    {
        var log = new DirtyBitmap(pages);
        for (long page = 0; page < pages; page++) log.Mark(page);
        var bitmap = new PageBitmap(pages);
        Assert.Equal(pages, bitmap.Collect(log));
        Assert.Equal(pages, bitmap.Count);
        Assert.Equal(0, new PageBitmap(pages).Collect(log));
    }

    [Fact]
    public void Only_pages_that_were_clean_count_as_found()
    {
        var (log, bitmap) = (new DirtyBitmap(200), new PageBitmap(200));
        log.Mark(5);
        Assert.Equal(1, bitmap.Collect(log));
        log.Mark(5);
        log.Mark(199);
        Assert.Equal(1, bitmap.Collect(log));
        Assert.Equal(2, bitmap.Count);
        Assert.True(bitmap.IsSet(5));
        Assert.True(bitmap.IsSet(199));
        Assert.False(bitmap.IsSet(6));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(100)]
    public void All_set_means_all_pages_and_no_bit_beyond(long pages)
    {
        var bitmap = new PageBitmap(pages);
        bitmap.SetAll();
        Assert.Equal(pages, bitmap.Count);
        long bits = 0;
        for (var word = 0; word < bitmap.WordCount; word++) bits += System.Numerics.BitOperations.PopCount(bitmap.Word(word));
        Assert.Equal(pages, bits);
        for (var word = 0; word < bitmap.WordCount; word++) bitmap.ClearBits(word, bitmap.Word(word));
        Assert.Equal(0, bitmap.Count);
    }

    /// <summary>
    /// The protocol of the log: store, mark; take, read. A value that was stored and not marked, or taken before it was stored,
    /// would stay behind in the copy.
    /// </summary>
    [Fact]
    public void No_mark_is_lost_between_a_writer_and_a_reader()
    {
        const int Pages = 128;
        const int Writes = 3_000_000;
        var (log, memory, copy) = (new DirtyBitmap(Pages), new long[Pages], new long[Pages]);
        var done = false;
        var writer = new Thread(() =>
        {
            for (var i = 0; i < Writes; i++)
            {
                var page = i * 37 % Pages;
                memory[page] = i;
                log.Mark(page);
            }
            Volatile.Write(ref done, true);
        });
        writer.Start();
        for (var last = false; !last;)
        {
            last = Volatile.Read(ref done);
            for (var word = 0; word < log.WordCount; word++)
                for (var bits = log.Take(word); bits != 0; bits &= bits - 1)
                {
                    var page = (word * 64) + System.Numerics.BitOperations.TrailingZeroCount(bits);
                    copy[page] = Volatile.Read(ref memory[page]);
                }
        }
        Assert.True(writer.Join(TimeSpan.FromSeconds(30)));
        Assert.Equal(memory, copy);
    }

    [Fact]
    public void Two_writers_of_one_word_lose_nothing_of_each_other()
    {
        const int Rounds = 300_000;
        var (log, taken) = (new DirtyBitmap(64), 0UL);
        var (seen, gate) = (new int[2], new Barrier(3));
        var writers = Enumerable.Range(0, 2).Select(who => new Thread(() =>
        {
            gate.SignalAndWait();
            for (var i = 0; i < Rounds; i++) log.Mark((i * 2 + who) % 64);
            Volatile.Write(ref seen[who], 1);
        })).ToList();
        writers.ForEach(writer => writer.Start());
        gate.SignalAndWait();
        while (Volatile.Read(ref seen[0]) + Volatile.Read(ref seen[1]) < 2) taken |= log.Take(0);
        writers.ForEach(writer => Assert.True(writer.Join(TimeSpan.FromSeconds(30))));
        Assert.Equal(ulong.MaxValue, taken | log.Take(0));
    }
}

static class PageBitmapBits
{
    /// <summary>Whether one page's bit is set.</summary>
    public static bool IsSet(this PageBitmap bitmap, long page) => (bitmap.Word((int)(page / 64)) & (1UL << (int)(page % 64))) != 0;
}
