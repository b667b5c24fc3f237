using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>Zero pages are found whatever looks at them, and one byte anywhere makes a page another.</summary>
public sealed unsafe class PageContentTests
{
    const int Page = GuestMemory.PageSize;

    [Fact]
    public void A_zero_page_is_zero_wherever_it_lies()
    {
        var bytes = new byte[Page + 64];
        for (var at = 0; at < 64; at++)
        {
            // What surrounds the page must not matter.
            bytes.AsSpan().Fill(0xFF);
            bytes.AsSpan(at, Page).Clear();
            Assert.True(AllSay(bytes.AsSpan(at, Page)));
        }
    }

    [Fact]
    public void One_byte_at_any_place_is_seen()
    {
        var random = new Random(1);
        var page = new byte[Page];
        for (var at = 0; at < Page; at++)
        {
            page[at] = at % 3 == 0 ? (byte)(1 << random.Next(8)) : (byte)random.Next(1, 256);
            Assert.False(AllSay(page), $"byte {at}");
            page[at] = 0;
        }
        Assert.True(AllSay(page));
    }

    [Fact]
    public void Of_random_pages_all_say_the_same()
    {
        var random = new Random(2);
        var bytes = new byte[Page + 64];
        var zeros = 0;
        for (var round = 0; round < 3000; round++)
        {
            Array.Clear(bytes);
            var at = random.Next(64);
            for (var changes = random.Next(3); changes > 0; changes--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            if (AllSay(bytes.AsSpan(at, Page))) zeros++;
        }
        Assert.InRange(zeros, 900, 2900);
    }

    [Fact]
    public void Of_64_pages_those_that_are_zero_are_told_and_no_other()
    {
        const int Words = 5;
        var random = new Random(3);
        // The last word has fewer pages.
        var memory = new GuestMemory(((Words * 64) - 27) * Page);
        try
        {
            for (var round = 0; round < 40; round++)
            {
                for (var change = random.Next(80); change > 0; change--)
                    memory.Ram.PageForWrite(random.NextInt64(memory.Ram.Pages))[random.Next(Page)] = (byte)random.Next(3);
                for (var word = 0; word < Words; word++)
                {
                    var bits = Draw(random) & Existing(memory.Ram, word);
                    Assert.Equal(Plain(memory.Ram, word, bits), PageContent.ZeroBits(memory.Ram, word, bits));
                }
            }
        }
        finally
        {
            memory.Release();
        }
    }

    [Fact]
    public void Pages_that_were_never_written_are_not_looked_at()
    {
        // Nothing is mapped there.
        var block = new RamBlock("ram", (byte*)Page, 128L * Page);
        Assert.Equal(0xF0F0UL, PageContent.ZeroBits(block, 1, 0xF0F0));
    }

    [Fact]
    public void Other_sizes_than_a_page_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => PageContent.IsZero(new byte[Page - 1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => PageContent.IsZero(new byte[2 * Page]));
    }

    static ulong Draw(Random random) => random.Next(4) switch
    {
        0 => ulong.MaxValue,
        1 => 1UL << random.Next(64),
        _ => (ulong)random.NextInt64() ^ ((ulong)random.Next(2) << 63),
    };

    static ulong Existing(RamBlock block, int word) =>
        block.Pages - (word * 64L) >= 64 ? ulong.MaxValue : (1UL << (int)(block.Pages - (word * 64L))) - 1;

    static ulong Plain(RamBlock block, int word, ulong bits)
    {
        ulong zeros = 0;
        for (var bit = 0; bit < 64; bit++)
            if ((bits & (1UL << bit)) != 0 && PageContent.IsZeroPlain(block.Page((word * 64L) + bit))) zeros |= 1UL << bit;
        return zeros;
    }

    /// <summary>What every width says, and the plain twin.</summary>
    static bool AllSay(Span<byte> page)
    {
        var plain = PageContent.IsZeroPlain(page);
        Assert.Equal(plain, PageContent.IsZero(page));
        Assert.Equal(plain, PageContent.IsZero512(ref page[0]));
        Assert.Equal(plain, PageContent.IsZero256(ref page[0]));
        Assert.Equal(plain, PageContent.IsZero128(ref page[0]));
        return plain;
    }
}
