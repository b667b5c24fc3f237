using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>Pages that are mostly zero come back from a few bytes; what is sent of them is the same as its plain twin's.</summary>
public sealed class SparsePageTests
{
    const int Page = GuestMemory.PageSize;

    [Fact]
    public void One_byte_is_two_lengths_and_itself()
    {
        Assert.Equal([0, 1, 7], Encode(With(0, 7)));
        Assert.Equal([100, 2, 7, 8], Encode(With(100, 7, 8)));
        Assert.Equal([0xFF, 0x1F, 1, 9], Encode(With(Page - 1, 9)));
    }

    [Fact]
    public void A_page_of_zeros_is_none()
    {
        // It is zero when the saver looked at it, or not at all: a guest that clears it meanwhile makes the page dirty again.
        Assert.Equal([], Encode(new byte[Page]));
    }

    [Fact]
    public void Dense_pages_are_known_by_a_few_words()
    {
        var page = new byte[Page];
        new Random(1).NextBytes(page);
        Assert.True(SparsePage.LooksDense(page));
        Assert.Equal([], Encode(page));
        Assert.False(SparsePage.LooksDense(With(0, [.. Enumerable.Repeat((byte)1, Page / 8)])));
    }

    [Theory]
    // Two lengths of three bytes together, the rest, and room for two more, without which QEMU gives up.
    [InlineData(1019, 1022)]
    [InlineData(1020, 0)]
    [InlineData(2048, 0)]
    public void What_is_longer_than_a_quarter_goes_whole(int used, int encoded)
    {
        var page = With(0, [.. Enumerable.Repeat((byte)1, used)]);
        Assert.Equal(encoded, SparsePage.Encode(page, new byte[SparsePage.MaxEncoded]));
    }

    [Fact]
    public void Random_pages_come_back_and_are_the_twins_byte_for_byte()
    {
        var random = new Random(2);
        var (sparse, whole) = (0, 0);
        for (var round = 0; round < 6000; round++)
        {
            var page = new byte[Page];
            var longest = 1 << random.Next(11);
            for (var write = random.Next(1 << random.Next(8)); write >= 0; write--)
            {
                var start = random.Next(Page);
                random.NextBytes(page.AsSpan(start, Math.Min(random.Next(1, longest + 1), Page - start)));
            }
            var encoded = Encode(page);
            if (encoded.Length == 0)
            {
                whole++;
                continue;
            }
            sparse++;
            var back = new byte[Page];
            Assert.True(Xbzrle.TryDecode(encoded, back));
            Assert.Equal(page, back);
        }
        Assert.InRange(sparse, 1000, 5000);
        Assert.InRange(whole, 500, 5000);
    }

    [Fact]
    public void Written_to_meanwhile_it_is_well_formed_and_has_only_bytes_that_were_there()
    {
        var page = new byte[Page];
        var stop = false;
        var writer = new Thread(() =>
        {
            var random = new Random(3);
            while (!Volatile.Read(ref stop)) Volatile.Write(ref page[random.Next(Page)], (byte)(random.Next(40) == 0 ? 0x5A : 0));
        });
        writer.Start();
        try
        {
            var (encoded, back) = (new byte[SparsePage.MaxEncoded], new byte[Page]);
            for (var (round, seen) = (0, 0); round < 20_000 || seen == 0; round++)
            {
                var length = SparsePage.Encode(page, encoded);
                Array.Clear(back);
                Assert.True(Xbzrle.TryDecode(encoded.AsSpan(0, length), back));
                Assert.False(back.AsSpan().ContainsAnyExcept((byte)0, (byte)0x5A));
                seen += length == 0 ? 0 : 1;
            }
        }
        finally
        {
            Volatile.Write(ref stop, true);
            writer.Join();
        }
    }

    [Fact]
    public void Of_64_pages_those_that_look_dense_are_told_and_no_other()
    {
        const int Words = 5;
        var random = new Random(4);
        var memory = new GuestMemory(Words * 64L * Page);
        try
        {
            var (dense, other) = (0, 0);
            for (var round = 0; round < 20; round++)
            {
                Fill(memory.Ram, random);
                for (var word = 0; word < Words; word++)
                {
                    var bits = random.Next(3) == 0 ? ulong.MaxValue : (ulong)random.NextInt64(long.MinValue, long.MaxValue);
                    var told = SparsePage.DenseBits(memory.Ram, word, bits);
                    for (var bit = 0; bit < 64; bit++)
                    {
                        var expected = (bits >> bit & 1) != 0 && SparsePage.LooksDensePlain(memory.Ram.Page((word * 64L) + bit));
                        Assert.Equal(expected, (told >> bit & 1) != 0);
                        if (expected) dense++;
                        else other++;
                    }
                }
            }
            Assert.InRange(dense, 500, 5000);
            Assert.InRange(other, 500, 5900);
        }
        finally
        {
            memory.Release();
        }
    }

    /// <summary>Pages of words of which none, some, most or all are not zero, by one byte or all eight.</summary>
    static unsafe void Fill(RamBlock block, Random random)
    {
        for (long page = 0; page < block.Pages; page++)
        {
            var words = new Span<ulong>(block.PageForWrite(page), Page / sizeof(ulong));
            var share = random.Next(5) / 4.0;
            foreach (ref var word in words) word = random.NextDouble() < share ? 0xFFUL << (8 * random.Next(8)) : 0;
        }
    }

    static byte[] With(int at, params byte[] bytes)
    {
        var page = new byte[Page];
        bytes.CopyTo(page, at);
        return page;
    }

    /// <summary>What both encoders say.</summary>
    static byte[] Encode(byte[] page)
    {
        var (fast, plain) = (new byte[Page], new byte[Page]);
        var length = SparsePage.Encode(page, fast);
        Assert.Equal(length, SparsePage.EncodePlain(page, plain));
        Assert.False(fast.AsSpan(SparsePage.MaxEncoded).ContainsAnyExcept((byte)0));
        Assert.Equal(plain[..length], fast[..length]);
        return fast[..length];
    }
}
