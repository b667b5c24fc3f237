using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>Differences pass by pass, of a guest that writes only in between: every byte is known.</summary>
public sealed class RamSaverXbzrleTests : IDisposable
{
    const int Page = GuestMemory.PageSize;
    const int Word = 8;

    readonly GuestMemory _memory = new([("pc.ram", 128 * Page), ("vga.vram", 64 * Page)]);
    readonly GuestMemory _arrived = new([("pc.ram", 128 * Page), ("vga.vram", 64 * Page)]);
    readonly MemoryGuest _guest;
    readonly BytesWriter _bytes = new();
    readonly WireWriter _writer;
    RamSaver _saver;

    public RamSaverXbzrleTests()
    {
        _guest = new MemoryGuest(Guid.NewGuid(), "differences", "local", _memory, new CapturedMachine { Name = "pc-i440fx-7.2" });
        foreach (var block in _memory.Blocks)
            for (var page = 0; page < block.Pages; page++) Write(block, page, 0, (byte)(page + 1));
        _writer = new WireWriter(_bytes);
        _saver = FirstPass(MigrationParameters.DefaultXbzrleCacheSize);
    }

    [Fact]
    public void A_difference_goes_once_a_page_went_after_the_first_pass()
    {
        Assert.Equal((192, 0, 0), Counts());
        // Went in the first pass, which keeps nothing.
        Write(_memory.Ram, 9, 100, 1, 2, 3);
        Assert.Equal(Word + 1 + "pc.ram".Length + Page, NextPass());
        Assert.Equal((193, 0, 1), Counts());
        Write(_memory.Ram, 9, 101, 7, 8);
        // The word, method and length, then 101 bytes that are kept and two new ones.
        Assert.Equal(Word + 3 + 4, NextPass());
        Write(_memory.Ram, 9, 101, 7, 8);
        Assert.Equal(0, NextPass());
        Assert.Equal((193, 2, 1), Counts());
        Assert.Equal(3 + 4, _saver.Xbzrle!.Bytes);
        AssertSame();
    }

    [Fact]
    public void It_is_far_less_than_the_pages_and_the_same_memory()
    {
        var random = new Random(1);
        for (var pass = 0; pass < 6; pass++)
        {
            for (var page = 0; page < 128; page++) Write(_memory.Ram, page, 8 * random.Next(500), (byte)(pass + 1), (byte)page, 5, 6);
            var sent = NextPass();
            Assert.True(pass == 0 ? sent > 128 * Page : sent < 128 * (Word + 3 + 7 + 1), $"Pass {pass} has {sent} bytes.");
        }
        Assert.Equal((192 + 128, 5 * 128, 128), Counts());
        AssertSame();
    }

    [Fact]
    public void A_page_that_turns_zero_goes_as_zero_and_then_as_a_difference_to_that()
    {
        Pass(() => Write(_memory.Ram, 3, 0, 9));
        Pass(() => Write(_memory.Ram, 3, 0, 0));
        Assert.Equal(1, _saver.ZeroPages);
        Write(_memory.Ram, 3, 7, 5);
        Assert.Equal(Word + 3 + 3, NextPass());
        AssertSame();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_page_that_was_zero_when_the_limit_was_reached_goes_as_what_it_is_by_then(bool sendsRuns)
    {
        _saver.SendsRuns = sendsRuns;
        Pass(() => Write(_memory.Ram, 5, 100, 1));
        Write(_memory.Ram, 0, 8, 1);
        Write(_memory.Ram, 5, 0, 0);
        Write(_memory.Ram, 5, 100, 0);
        _saver.PendingExact();
        StopBehindPage0();
        // What the destination has is what was there before it was zero.
        Write(_memory.Ram, 5, 200, 7);
        NextPass();
        Assert.Equal((194, 1, 2), Counts());
        Assert.Equal(0, _saver.ZeroPages);
        AssertSame();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_page_that_never_went_has_no_difference_to_zeros(bool sendsRuns)
    {
        Write(_memory.Ram, 5, 0, 0);
        _saver.Cleanup();
        _saver = new RamSaver(_guest) { LongestPart = Patience.Limit, SendsRuns = sendsRuns };
        _saver.SaveSetup(new WireWriter(new BytesWriter(keep: false)));
        _saver.UseDifferences(MigrationParameters.DefaultXbzrleCacheSize);
        StopBehindPage0();
        Write(_memory.Ram, 5, 200, 7);
        NextPass();
        Assert.Equal((192, 0, 192), Counts());
        AssertSame();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Zero_pages_of_a_whole_word_are_kept_and_differences_go_to_them(bool sendsRuns)
    {
        _saver.SendsRuns = sendsRuns;
        for (var page = 64; page < 128; page++) Write(_memory.Ram, page, 0, 0);
        NextPass();
        Assert.Equal(64, _saver.ZeroPages);
        Pass(() => Write(_memory.Ram, 70, 9, 1), () => Write(_memory.Ram, 127, 9, 1));
        Assert.Equal((192, 2, 0), Counts());
        AssertSame();
    }

    [Fact]
    public void A_page_that_is_all_new_goes_whole_and_the_next_time_as_a_difference()
    {
        Pass(() => Write(_memory.Ram, 3, 0, Noise(1)));
        Write(_memory.Ram, 3, 0, Noise(2));
        Assert.Equal(Word + Page, NextPass());
        Assert.Equal(1, _saver.Xbzrle!.Overflow);
        Assert.Equal((194, 1, 1), Counts());
        Assert.Equal(194, _saver.HandledPages);
        Pass(() => Write(_memory.Ram, 3, 12, (byte)~Noise(2)[12]));
        Assert.Equal(Page + 3 + 3, _saver.Xbzrle!.Bytes);
        Assert.Equal((194, 2, 1), Counts());
        AssertSame();
    }

    [Fact]
    public void Pages_of_two_blocks_are_two_pages()
    {
        Pass(() => Write(_memory.Blocks[0], 1, 0, 0x11), () => Write(_memory.Blocks[1], 1, 0, 0x22));
        Pass(() => Write(_memory.Blocks[0], 1, 1, 0x33), () => Write(_memory.Blocks[1], 1, 1, 0x44));
        Assert.Equal((194, 2, 2), Counts());
        AssertSame();
    }

    [Fact]
    public void Pages_that_share_a_slot_go_whole_while_it_is_kept()
    {
        _saver.Cleanup();
        _saver = FirstPass(64 * Page);
        Pass(() => Write(_memory.Ram, 0, 8, 1), () => Write(_memory.Ram, 64, 8, 1));
        Pass(() => Write(_memory.Ram, 0, 8, 2), () => Write(_memory.Ram, 64, 8, 2));
        Assert.Equal((195, 1, 3), Counts());
        // Two generations without the first: then the other takes its slot.
        for (byte step = 3; step < 6; step++) Pass(() => Write(_memory.Ram, 64, 8, step));
        Assert.Equal((197, 2, 5), Counts());
        Pass(() => Write(_memory.Ram, 0, 8, 9));
        Assert.Equal((198, 2, 6), Counts());
        AssertSame();
    }

    [Fact]
    public void The_last_stage_sends_differences_and_keeps_nothing()
    {
        Pass(() => Write(_memory.Ram, 3, 0, 1), () => Write(_memory.Ram, 4, 0, 1));
        Write(_memory.Ram, 3, 0, 2);
        Write(_memory.Ram, 4, 0, 0);
        Write(_memory.Ram, 5, 0, 2);
        _saver.SaveComplete(_writer);
        Assert.Equal((194 + 1, 1, 3), Counts());
        Assert.Equal(1, _saver.ZeroPages);
        AssertSame();
    }

    [Fact]
    public void Rates_are_of_the_last_pass_in_which_pages_went()
    {
        Pass(() => Write(_memory.Ram, 3, 0, 1), () => Write(_memory.Ram, 4, 0, 1));
        _saver.PendingExact();
        Assert.Equal((1, 0), (_saver.Xbzrle!.CacheMissRate, _saver.Xbzrle.EncodingRate));
        Pass(() => Write(_memory.Ram, 3, 0, 2), () => Write(_memory.Ram, 5, 0, 2));
        _saver.PendingExact();
        _saver.PendingExact();
        Assert.Equal((0.5, Page / 6d), (_saver.Xbzrle!.CacheMissRate, _saver.Xbzrle.EncodingRate));
    }

    [Fact]
    public void Given_up_and_begun_again_no_difference_goes_to_what_was_kept_before()
    {
        Pass(() => Write(_memory.Ram, 3, 0, 1), () => Write(_memory.Ram, 4, 0, 1));
        _saver.RestDifferences();
        Assert.False(_saver.UsesDifferences);
        // Goes whole, and is not kept: what was is out of date.
        Pass(() => Write(_memory.Ram, 3, 0, 2));
        Assert.Equal((195, 0, 2), Counts());
        _saver.UseDifferences(MigrationParameters.DefaultXbzrleCacheSize);
        Pass(() => Write(_memory.Ram, 3, 1, 3), () => Write(_memory.Ram, 4, 1, 3));
        Assert.Equal((197, 0, 4), Counts());
        Pass(() => Write(_memory.Ram, 3, 1, 4), () => Write(_memory.Ram, 4, 1, 4));
        Assert.Equal((197, 2, 4), Counts());
        AssertSame();
    }

    [Fact]
    public void Begun_in_the_first_pass_the_second_is_one_of_differences()
    {
        _saver.Cleanup();
        _saver = new RamSaver(_guest);
        _saver.SaveSetup(new WireWriter(new BytesWriter(keep: false)));
        _saver.SaveIterate(_writer, 5 * Page);
        _saver.UseDifferences(MigrationParameters.DefaultXbzrleCacheSize);
        while (_saver.PendingEstimate > 0) _saver.SaveIterate(_writer, 5 * Page);
        Pass(() => Write(_memory.Ram, 1, 9, 7), () => Write(_memory.Ram, 100, 9, 7));
        // Page 1 went before.
        Assert.Equal((193, 1), (_saver.NormalPages, _saver.Xbzrle!.Pages));
        AssertSame();
    }

    [Fact]
    public void A_page_that_goes_again_has_the_slot_of_one_that_went_in_the_first_pass()
    {
        _saver.Cleanup();
        _saver = new RamSaver(_guest) { LongestPart = Patience.Limit };
        _saver.SaveSetup(new WireWriter(new BytesWriter(keep: false)));
        while (_saver.PendingEstimate > 128 * Page) _saver.SaveIterate(_writer, 5 * Page);
        _saver.UseDifferences(64 * Page);
        while (_saver.PendingEstimate > 64 * Page) _saver.SaveIterate(_writer, 5 * Page);
        // Pages 64 to 127 fill it, and all that follow find their slots taken.
        while (_saver.PendingEstimate > 0) _saver.SaveIterate(_writer, 5 * Page);
        var filled = _saver.FilledPages;
        Assert.InRange(filled, 64, 64 + 5);
        Pass(() => Write(_memory.Ram, 3, 9, 7));
        Assert.Equal((filled + 1, 0), (_saver.FilledPages, _saver.Xbzrle!.Pages));
        Pass(() => Write(_memory.Ram, 3, 9, 8));
        Assert.Equal((filled + 1, 1), (_saver.FilledPages, _saver.Xbzrle!.Pages));
        // Which it keeps for as long as it goes in every pass or every other one.
        Pass(() => Write(_memory.Ram, 67, 9, 7));
        Pass(() => Write(_memory.Ram, 3, 9, 9));
        Assert.Equal((filled + 1, 2), (_saver.FilledPages, _saver.Xbzrle!.Pages));
        AssertSame();
    }

    [Fact]
    public void Pages_that_find_an_empty_slot_fill_the_cache()
    {
        _saver.Cleanup();
        _saver = FirstPass(64 * Page);
        Pass(() => Write(_memory.Ram, 0, 8, 1), () => Write(_memory.Ram, 64, 8, 1), () => Write(_memory.Ram, 3, 8, 1));
        Assert.Equal((2, 3), (_saver.FilledPages, _saver.Xbzrle!.CacheMiss));
        // A cache that was let go of is filled anew.
        _saver.RestDifferences();
        _saver.UseDifferences(64 * Page);
        Pass(() => Write(_memory.Ram, 0, 8, 2));
        Assert.Equal((3, 4), (_saver.FilledPages, _saver.Xbzrle!.CacheMiss));
        AssertSame();
    }

    [Fact]
    public void Another_size_of_cache_keeps_what_fits()
    {
        Pass(() => Write(_memory.Ram, 3, 0, 1), () => Write(_memory.Ram, 4, 0, 1));
        _saver.ResizeCache(32 * Page);
        Assert.Equal(32 * Page, _saver.Xbzrle!.CacheSize);
        Pass(() => Write(_memory.Ram, 3, 0, 2), () => Write(_memory.Ram, 4, 0, 2));
        Assert.Equal((194, 2, 2), Counts());
        // More than the guest has is not taken.
        _saver.ResizeCache(1L << 40);
        Assert.Equal(256 * Page, _saver.Xbzrle!.CacheSize);
        Pass(() => Write(_memory.Ram, 3, 0, 3));
        Assert.Equal((194, 3, 2), Counts());
        AssertSame();
    }

    [Fact]
    public void A_look_tells_what_has_to_go_again_and_takes_nothing()
    {
        _saver.Cleanup();
        _saver = new RamSaver(_guest);
        _saver.SaveSetup(new WireWriter(new BytesWriter(keep: false)));
        Assert.Equal((0, 192 * Page), _saver.Peek());
        _saver.SaveIterate(_writer, 5 * Page);
        var left = _saver.PendingEstimate;
        Write(_memory.Ram, 1, 0, 8);
        Write(_memory.Ram, 127, 0, 8);
        Assert.Equal((Page, left), _saver.Peek());
        Assert.Equal((Page, left), _saver.Peek());
        while (_saver.PendingEstimate > 0) _saver.SaveIterate(_writer, 5 * Page);
        NextPass();
        AssertSame();
    }

    [Fact]
    public void Without_a_cache_there_are_whole_pages_and_no_figures()
    {
        _saver.Cleanup();
        _saver = FirstPass(0);
        for (byte step = 1; step < 4; step++) Pass(() => Write(_memory.Ram, 3, 0, step));
        Assert.Null(_saver.Xbzrle);
        Assert.Equal(195, _saver.NormalPages);
        AssertSame();
    }

    public void Dispose()
    {
        _saver.Cleanup();
        _guest.Remove();
        _arrived.Release();
    }

    RamSaver FirstPass(long cacheSize)
    {
        var saver = new RamSaver(_guest, xbzrleCacheSize: cacheSize) { LongestPart = Patience.Limit };
        saver.SaveSetup(new WireWriter(new BytesWriter(keep: false)));
        while (saver.PendingEstimate > 0) saver.SaveIterate(_writer, 5 * Page);
        return saver;
    }

    /// <summary>One page uses the limit up.</summary>
    void StopBehindPage0()
    {
        var pending = _saver.PendingEstimate;
        _saver.SaveIterate(_writer, 1);
        Assert.Equal(pending - Page, _saver.PendingEstimate);
    }

    void Pass(params ReadOnlySpan<Action> writes)
    {
        foreach (var write in writes) write();
        NextPass();
    }

    /// <summary>Sends what was written, and returns the bytes of the records.</summary>
    long NextPass()
    {
        _saver.PendingExact();
        var before = _writer.Position;
        _saver.SaveIterate(_writer, long.MaxValue);
        Assert.Equal(0, _saver.PendingEstimate);
        return _writer.Position - before - Word;
    }

    (long Normal, long Found, long Missed) Counts() => (_saver.NormalPages, _saver.Xbzrle!.Pages, _saver.Xbzrle.CacheMiss);

    /// <summary>All that was sent, loaded by the receiver's reader, is the guest's memory.</summary>
    void AssertSame()
    {
        _writer.Flush();
        var list = new BytesWriter();
        var setup = new RamSaver(_guest);
        setup.SaveSetup(new WireWriter(list));
        var reader = new WireReader(new BytesReader((byte[])[.. list.Written, .. _bytes.Written], 4 * Page), MigrationSide.Source);
        var loader = new RamLoader(_ => _arrived) { AcceptsRuns = _saver.SendsRuns };
        while (!reader.IsAtEnd()) loader.ReadBody(reader);
        Assert.Equal(RamDigest.Compute(_memory), RamDigest.Compute(_arrived));
    }

    static byte[] Noise(int seed)
    {
        var page = new byte[Page];
        new Random(seed).NextBytes(page);
        return page;
    }

    static unsafe void Write(RamBlock block, long page, int at, params ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(new Span<byte>(block.PageForWrite(page) + at, bytes.Length));
        block.Wrote(page);
    }
}
