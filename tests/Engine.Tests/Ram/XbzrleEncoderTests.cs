using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>The difference of two pages: its bytes where they are known, and else the same as its plain twin's.</summary>
public sealed class XbzrleEncoderTests
{
    const int Page = GuestMemory.PageSize;

    public static TheoryData<int, int, byte[]> Runs => new()
    {
        { 0, 1, [0, 1] },
        { 1, 1, [1, 1] },
        { 0x7F, 3, [0x7F, 3] },
        { 0x80, 3, [0x80, 1, 3] },
        { 63, 2, [63, 2] },
        { 64, 64, [64, 64] },
        { 200, 0x7F, [0xC8, 1, 0x7F] },
        { 200, 0x80, [0xC8, 1, 0x80, 1] },
        { Page - 1, 1, [0xFF, 0x1F, 1] },
        // The longest that fits: three bytes of lengths, and the rest of the page.
        { 3, Page - 3, [3, 0xFD, 0x1F] },
    };

    [Theory]
    [MemberData(nameof(Runs))]
    public void One_run_is_two_lengths_and_its_bytes(int start, int length, byte[] lengths)
    {
        var (before, after) = (Random(1), Random(1));
        for (var at = start; at < start + length; at++) after[at] ^= 0x55;
        Assert.Equal([.. lengths, .. after[start..(start + length)]], Encode(before, after)!);
    }

    [Fact]
    public void Of_pages_that_are_equal_nothing_is_left() => Assert.Equal([], Encode(Random(2), Random(2))!);

    [Fact]
    public void What_is_longer_than_a_page_overflows()
    {
        var before = Random(3);
        Assert.Null(Encode(before, [.. before.Select(one => (byte)~one)]));
        // Every other byte: three for one that changed.
        Assert.Null(Encode(before, [.. before.Select((one, at) => at % 2 == 0 ? (byte)~one : one)]));
        // As long as a page with three equal bytes to come: QEMU gives up, though they would need no room.
        Assert.Null(Encode(before, [.. before.Select((one, at) => at < Page - 3 ? (byte)~one : one)]));
        Assert.NotNull(Encode(before, [.. before.Select((one, at) => at < Page - 5 ? (byte)~one : one)]));
    }

    [Fact]
    public void Runs_never_need_a_third_byte_of_length()
    {
        // The longest run of either kind is a page, and two bytes hold four.
        Assert.True(Page <= 0x3FFF);
        var after = new byte[Page];
        after[^1] = 1;
        Assert.Equal([0xFF, 0x1F, 1, 1], Encode(new byte[Page], after)!);
    }

    [Fact]
    public void Random_changes_come_back_and_are_the_twins_byte_for_byte()
    {
        var random = new Random(4);
        var fitted = 0;
        for (var round = 0; round < 4000; round++)
        {
            var before = round % 3 == 0 ? new byte[Page] : Random(random.Next());
            var after = before.ToArray();
            var longest = 1 << random.Next(12);
            for (var change = random.Next(1 << random.Next(9)); change > 0; change--)
            {
                var start = random.Next(Page);
                random.NextBytes(after.AsSpan(start, Math.Min(random.Next(1, longest + 1), Page - start)));
            }
            if (Encode(before, after) is not { } encoded) continue;
            fitted++;
            Assert.True(Xbzrle.TryDecode(encoded, before));
            Assert.Equal(after, before);
        }
        Assert.InRange(fitted, 1000, 3999);
    }

    [Fact]
    public void In_any_room_both_end_alike_and_write_no_byte_behind_it()
    {
        var random = new Random(5);
        for (var round = 0; round < 4000; round++)
        {
            var before = Random(random.Next());
            var after = before.ToArray();
            for (var change = random.Next(12); change > 0; change--) random.NextBytes(after.AsSpan(random.Next(Page - 40), random.Next(1, 40)));
            Encode(before, after, room: random.Next(160));
        }
    }

    [Fact]
    public void All_widths_see_the_same_bytes()
    {
        var random = new Random(6);
        for (var round = 0; round < 2000; round++)
        {
            var a = Random(random.Next());
            var b = a.ToArray();
            ulong expected = 0;
            for (var change = random.Next(65); change > 0; change--)
            {
                var at = random.Next(64);
                b[at] = (byte)~a[at];
                expected |= 1UL << at;
            }
            Assert.Equal(expected, XbzrleEncoder.Compare512(ref a[0], ref b[0]));
            Assert.Equal(expected, XbzrleEncoder.Compare256(ref a[0], ref b[0]));
            Assert.Equal(expected, XbzrleEncoder.Compare128(ref a[0], ref b[0]));
        }
    }

    [Fact]
    public void Other_sizes_than_a_page_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => XbzrleEncoder.Encode(new byte[Page - 1], new byte[Page], new byte[Page]));
        Assert.Throws<ArgumentOutOfRangeException>(() => XbzrleEncoder.Encode(new byte[Page], new byte[2 * Page], new byte[Page]));
    }

    static byte[] Random(int seed)
    {
        var page = new byte[Page];
        new Random(seed).NextBytes(page);
        return page;
    }

    /// <summary>What both encoders say; null where it does not fit.</summary>
    static byte[]? Encode(byte[] before, byte[] after, int room = Page)
    {
        var (fast, plain) = (new byte[Page + 64], new byte[Page + 64]);
        var length = XbzrleEncoder.Encode(before, after, fast.AsSpan(0, room));
        Assert.Equal(length, XbzrleEncoder.EncodePlain(before, after, plain.AsSpan(0, room)));
        Assert.False(fast.AsSpan(room).ContainsAnyExcept((byte)0));
        if (length == XbzrleEncoder.Overflow) return null;
        Assert.Equal(plain[..length], fast[..length]);
        return fast[..length];
    }
}
