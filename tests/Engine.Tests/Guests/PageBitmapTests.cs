using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Tests.Guests;

/// <summary>Bitmaps that skip what is clean, against plain twins that look at each page.</summary>
public sealed class PageBitmapTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(63 * 64)]
    [InlineData((512 * 64) + 1)]
    [InlineData(100_003)]
    public void Whatever_is_done_in_turn_the_plain_twins_hold_the_same(long pages)
    {
        var random = new Random((int)pages);
        var (log, bitmap) = (new DirtyBitmap(pages), new PageBitmap(pages));
        var (plainLog, plain) = (new bool[pages], new bool[pages]);
        for (var round = 0; round < 120; round++)
        {
            MarkSome(random, log, plainLog);
            switch (random.Next(5))
            {
                case 0:
                    Assert.Equal(PlainCollect(plainLog, plain), bitmap.Collect(log));
                    break;
                case 1:
                    var first = random.Next(bitmap.WordCount);
                    var count = random.Next(1, bitmap.WordCount + 2);
                    Assert.Equal(PlainClearLog(plainLog, plain, first, count), bitmap.ClearLog(log, first, count));
                    break;
                case 3:
                    SendFull(random, bitmap, plain);
                    break;
                case 2 when random.Next(6) == 0:
                    bitmap.SetAll();
                    Array.Fill(plain, true);
                    break;
                default:
                    Send(random, bitmap, plain);
                    break;
            }
            Compare(log, plainLog, bitmap, plain);
        }
    }

    [Fact]
    public void The_next_word_with_a_bit_is_found_from_any_other()
    {
        var random = new Random(7);
        for (var round = 0; round < 200; round++)
        {
            var words = new ulong[random.Next(1, 200)];
            for (var set = random.Next(4); set > 0; set--) words[random.Next(words.Length)] = 1UL << random.Next(64);
            for (var from = 0; from <= words.Length; from++)
            {
                var expected = from;
                while (expected < words.Length && words[expected] == 0) expected++;
                Assert.Equal(expected, BitWords.Next(words, from));
            }
        }
    }

    [Fact]
    public void The_words_of_the_largest_guest_can_be_numbered()
    {
        Assert.Equal(1 << 26, BitWords.Count(GuestMemory.MaxLength / GuestMemory.PageSize));
        Assert.Throws<OverflowException>(() => BitWords.Count(1L << 40));
    }

    /// <summary>
    /// A writer stores and marks. The reader copies the pages whose marks it took, or one page whose mark it has dropped. When the writer
    /// stands and the log was taken once more, each page's copy is its last value.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void No_mark_is_lost_while_the_log_is_taken(bool sendsOne)
    {
        const int Rounds = 30_000;
        var race = new Race();
        var writer = new Thread(() => race.Write(Rounds));
        writer.Start();
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var (lost, round) = (0, 0);
        while (round < Rounds && clock.Elapsed < TimeSpan.FromSeconds(3))
        {
            Volatile.Write(ref race.Begun, ++round);
            while (Volatile.Read(ref race.Done) < round)
            {
                if (sendsOne) race.SendOne();
                else race.Sync();
            }
            race.Sync();
            lost += race.Stale;
        }
        Volatile.Write(ref race.Begun, int.MaxValue);
        Assert.True(writer.Join(TimeSpan.FromSeconds(30)));
        Assert.True(lost == 0, $"{lost} pages were stale in {round} rounds.");
    }

    sealed class Race
    {
        // A page is a line of its own.
        const int Pages = 64, Line = 8;

        readonly DirtyBitmap _log = new(Pages);
        readonly PageBitmap _bitmap = new(Pages);
        readonly long[] _memory = new long[(Pages + 1) * Line];
        readonly long[] _copy = new long[Pages];
        readonly long[] _cold = new long[4 << 20];
        int _sent;
        public int Begun;
        public int Done;

        public int Stale => Enumerable.Range(0, Pages).Count(page => _memory[page * Line] != _copy[page]);

        public void Write(int rounds)
        {
            var random = new Random(1);
            for (var (round, spin) = (1, default(SpinWait)); round <= rounds;)
            {
                var begun = Volatile.Read(ref Begun);
                if (begun == int.MaxValue) return;
                if (begun < round)
                {
                    spin.SpinOnce(sleep1Threshold: -1);
                    continue;
                }
                for (var write = random.Next(1, 60); write > 0; write--)
                {
                    // Few pages, so that most are marked already; stores to cold memory before it keep the one that counts waiting.
                    var page = random.Next(8) * 8;
                    for (var store = 0; store < 4; store++) _cold[random.Next(_cold.Length)] = write;
                    Volatile.Write(ref _memory[page * Line], ((long)round << 32) | (uint)write);
                    _log.Mark(page);
                }
                Volatile.Write(ref Done, round++);
                spin.Reset();
            }
        }

        public void Sync()
        {
            _bitmap.Collect(_log);
            Copy();
        }

        public void SendOne()
        {
            _bitmap.SetAll();
            _bitmap.ClearBits(0, ~(1UL << (8 * (_sent++ % 8))));
            _bitmap.ClearLog(_log, 0, _bitmap.WordCount);
            Copy();
        }

        void Copy()
        {
            for (var left = _bitmap.Word(0); left != 0; left &= left - 1)
            {
                var page = System.Numerics.BitOperations.TrailingZeroCount(left);
                _copy[page] = Volatile.Read(ref _memory[page * Line]);
            }
            _bitmap.ClearBits(0, _bitmap.Word(0));
        }
    }

    static void MarkSome(Random random, DirtyBitmap log, bool[] plain)
    {
        var (start, length) = (random.Next(plain.Length), 1 << random.Next(11));
        for (var marks = random.Next(3) == 0 ? 0 : random.Next(1, 300); marks > 0; marks--)
        {
            var page = Math.Min(start + random.Next(length), plain.Length - 1);
            log.Mark(page);
            plain[page] = true;
        }
    }

    static void Send(Random random, PageBitmap bitmap, bool[] plain)
    {
        for (var word = bitmap.NextWord(random.Next(bitmap.WordCount)); word < bitmap.WordCount; word = bitmap.NextWord(word + 1))
        {
            var sent = bitmap.Word(word) & (ulong)random.NextInt64(long.MinValue, long.MaxValue);
            bitmap.ClearBits(word, sent);
            for (var bit = 0; bit < 64; bit++)
                if ((sent & (1UL << bit)) != 0) plain[(word * 64) + bit] = false;
        }
    }

    static void SendFull(Random random, PageBitmap bitmap, bool[] plain)
    {
        var first = random.Next(bitmap.WordCount);
        var count = bitmap.FullWords(first, random.Next(1, 100));
        bitmap.ClearWords(first, count);
        Array.Fill(plain, false, first * 64, count * 64);
        if (first + count == bitmap.WordCount) return;
        var added = (ulong)random.NextInt64() & (first + count == bitmap.WordCount - 1 ? 1UL : ulong.MaxValue);
        var found = 0;
        for (var bit = 0; bit < 64; bit++)
        {
            if ((added & (1UL << bit)) == 0 || plain[((first + count) * 64) + bit]) continue;
            plain[((first + count) * 64) + bit] = true;
            found++;
        }
        Assert.Equal(found, bitmap.SetBits(first + count, added));
    }

    static long PlainCollect(bool[] log, bool[] bitmap)
    {
        long found = 0;
        for (var page = 0; page < log.Length; page++)
        {
            if (log[page] && !bitmap[page]) found++;
            bitmap[page] |= log[page];
            log[page] = false;
        }
        return found;
    }

    static long PlainClearLog(bool[] log, bool[] bitmap, int first, int count)
    {
        long cleared = 0;
        for (var page = first * 64L; page < Math.Min(log.Length, (first + count) * 64L); page++)
        {
            if (!log[page] || !bitmap[page]) continue;
            log[page] = false;
            cleared++;
        }
        return cleared;
    }

    static void Compare(DirtyBitmap log, bool[] plainLog, PageBitmap bitmap, bool[] plain)
    {
        Assert.Equal(plainLog.Count(marked => marked), log.Count);
        Assert.Equal(plain.Count(set => set), bitmap.Count);
        for (var page = 0; page < plain.Length; page++)
            if (bitmap.IsSet(page) != plain[page]) Assert.Fail($"page {page} is {bitmap.IsSet(page)}");
    }
}
