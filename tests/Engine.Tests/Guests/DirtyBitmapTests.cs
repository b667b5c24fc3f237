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
    /// The protocol of the log: store, mark; take, read. The second of two stores finds its bit set; if that test could overtake
    /// the store, a reader that takes the bit in between would read the old value, and nothing would make it look again.
    /// </summary>
    [Fact]
    public void No_mark_is_lost_between_a_writer_and_a_reader()
    {
        var (log, race) = (new DirtyBitmap(64), new Race());
        var reader = new Thread(() =>
        {
            // The count is a fence too: the next look must not begin before the writer can see that this one has ended.
            for (; !Volatile.Read(ref race.IsOver); Interlocked.Increment(ref race.Looks))
                if (Take(log, 0) != 0) Volatile.Write(ref race.Copy, Volatile.Read(ref race.Memory));
        });
        reader.Start();
        var clock = System.Diagnostics.Stopwatch.StartNew();
        long lost = 0;
        long rounds = 0;
        for (; rounds < 1_000_000 && clock.Elapsed < TimeSpan.FromSeconds(3); rounds++)
        {
            race.Memory = 2 * rounds;
            log.Mark(5);
            for (var spin = rounds % 40; spin > 0; spin--) Thread.SpinWait(1);
            // Stores before it keep it waiting in the core, which is when a test that is not fenced overtakes it.
            Race.Fill(rounds);
            race.Memory = (2 * rounds) + 1;
            log.Mark(5);
            for (var seen = Volatile.Read(ref race.Looks); Volatile.Read(ref race.Looks) < seen + 2;) Thread.SpinWait(1);
            if (Volatile.Read(ref race.Copy) != (2 * rounds) + 1) lost++;
        }
        Volatile.Write(ref race.IsOver, true);
        Assert.True(reader.Join(TimeSpan.FromSeconds(30)));
        Assert.True(lost == 0, $"{lost} of {rounds} marks were lost.");
    }

    /// <summary>Each field on lines of its own.</summary>
    [System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Explicit, Size = 1024)]
    sealed class Race
    {
        [System.Runtime.InteropServices.FieldOffset(128)] public long Memory;
        [System.Runtime.InteropServices.FieldOffset(384)] public long Copy;
        [System.Runtime.InteropServices.FieldOffset(640)] public long Looks;
        [System.Runtime.InteropServices.FieldOffset(896)] public bool IsOver;

        static readonly long[] Cold = new long[4 << 20];

        public static void Fill(long round)
        {
            for (var i = 0; i < 12; i++) Cold[((round * 12) + i) * 4099 % Cold.Length] = round;
        }
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
        while (Volatile.Read(ref seen[0]) + Volatile.Read(ref seen[1]) < 2) taken |= Take(log, 0);
        writers.ForEach(writer => Assert.True(writer.Join(TimeSpan.FromSeconds(30))));
        Assert.Equal(ulong.MaxValue, taken | Take(log, 0));
    }

    static ulong Take(DirtyBitmap log, int word)
    {
        Span<ulong> taken = stackalloc ulong[1];
        return log.TryTake(word, taken) ? taken[0] : 0;
    }
}

static class PageBitmapBits
{
    /// <summary>Whether one page's bit is set.</summary>
    public static bool IsSet(this PageBitmap bitmap, long page) => (bitmap.Word((int)(page / 64)) & (1UL << (int)(page % 64))) != 0;
}
