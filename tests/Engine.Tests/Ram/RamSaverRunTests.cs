using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>The records of the extension as the saver writes them: every byte is known.</summary>
public sealed class RamSaverRunTests : IDisposable
{
    const int Page = GuestMemory.PageSize;
    const int LongestRun = 256;

    readonly GuestMemory _memory = new([("ram", 1024 * Page), ("rom", 70 * Page)]);
    readonly MemoryGuest _guest;
    readonly BytesWriter _bytes = new();
    WireWriter _writer;

    public RamSaverRunTests()
    {
        _guest = new MemoryGuest(Guid.NewGuid(), "runs", "local", _memory, new CapturedMachine { Name = "pc-i440fx-7.2" });
        _writer = new WireWriter(_bytes);
    }

    [Fact]
    public void Memory_that_was_never_written_is_one_record_a_block()
    {
        var saver = Send();
        Assert.Equal("0000000000000402" + "0372616D" + "00000400" + "0000000000000402" + "03726F6D" + "00000046" + "0000000000000010", Hex());
        Assert.Equal((0, 1094, 0), (saver.NormalPages, saver.ZeroPages, saver.PendingEstimate));
    }

    [Fact]
    public void Pages_that_lie_together_are_one_record_and_single_ones_are_those_of_QEMU()
    {
        Fill(_memory.Ram, 2, 5, 7);
        var saver = Send();
        AssertWritten(
            ("0000000000000402" + "0372616D" + "00000002", 0, 0),
            ("0000000000002420" + "00000002", 2, 2),
            // One zero page, one with content.
            ("0000000000004022" + "00", 0, 0),
            ("0000000000005028", 5, 1),
            ("0000000000006022" + "00", 0, 0),
            ("0000000000007028", 7, 1),
            ("0000000000008422" + "000003F8", 0, 0),
            ("0000000000000402" + "03726F6D" + "00000046", 0, 0),
            ("0000000000000010", 0, 0));
        Assert.Equal((4, 1090), (saver.NormalPages, saver.ZeroPages));

        // Pages 2 and 3, 5, 7.
        void Fill(RamBlock block, params long[] pages)
        {
            foreach (var page in (long[])[.. pages, 3]) Write(block, page, (byte)(page + 1));
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(64)]
    [InlineData(LongestRun)]
    public void A_run_holds_the_pages_as_they_lie(int count)
    {
        for (var page = 60; page < 60 + count; page++) Write(_memory.Ram, page, (byte)(page | 1));
        Send();
        AssertWritten(
            ("0000000000000402" + "0372616D" + "0000003C", 0, 0),
            ("000000000003C420" + count.ToString("X8"), 60, count),
            (((60 + count) * Page | 0x422).ToString("X16") + (1024 - 60 - count).ToString("X8"), 0, 0),
            ("0000000000000402" + "03726F6D" + "00000046", 0, 0),
            ("0000000000000010", 0, 0));
    }

    [Fact]
    public void Longer_ones_are_several_runs()
    {
        for (var page = 0; page < 600; page++) Write(_memory.Ram, page, (byte)(page | 1));
        Send();
        AssertWritten(
            ("0000000000000400" + "0372616D" + "00000100", 0, 256),
            ("0000000000100420" + "00000100", 256, 256),
            ("0000000000200420" + "00000058", 512, 88),
            ("0000000000258422" + "000001A8", 0, 0),
            ("0000000000000402" + "03726F6D" + "00000046", 0, 0),
            ("0000000000000010", 0, 0));
    }

    [Fact]
    public void Written_zeros_and_untouched_ones_are_one_run()
    {
        Write(_memory.Ram, 100, 1);
        Write(_memory.Ram, 100, 0);
        Send();
        Assert.StartsWith("0000000000000402" + "0372616D" + "00000400", Hex(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_page_that_is_mostly_zero_is_a_sparse_page_where_the_peer_knows_them()
    {
        for (var page = 4; page < 7; page++) Write(_memory.Ram, page, (byte)page);
        _memory.Ram.Span(5 * Page, Page).Fill(5);
        var saver = Send(sparse: true);
        AssertWritten(
            // Runs are gathered meanwhile: in which order pages go is all the same.
            ("0000000000004440" + "0372616D" + "0003" + "000104", 0, 0),
            ("0000000000000422" + "00000004", 0, 0),
            ("0000000000006460" + "0003" + "000106", 0, 0),
            ("0000000000005028", 5, 1),
            ("0000000000007422" + "000003F9", 0, 0),
            ("0000000000000402" + "03726F6D" + "00000046", 0, 0),
            ("0000000000000010", 0, 0));
        Assert.Equal((1, 1091, 2), (saver.NormalPages, saver.ZeroPages, saver.SparsePages));
        Assert.Equal(1094, saver.HandledPages);
    }

    [Fact]
    public void Of_dense_sparse_and_zero_pages_in_any_order_each_goes_in_its_way()
    {
        var random = new Random(7);
        var kinds = new int[4];
        for (var page = 0; page < 1024;)
        {
                // Zero; one byte; a whole line of the cache, which is among those that are looked at first; full.
            var kind = random.Next(4);
            for (var left = random.Next(1, random.Next(3) == 0 ? 150 : 8); left > 0 && page < 1024; left--, page++)
            {
                kinds[kind]++;
                if (kind == 0) continue;
                Write(_memory.Ram, page, (byte)(page | 1));
                if (kind > 1) _memory.Ram.Span((long)page * Page, kind == 2 ? 64 : Page).Fill((byte)(page | 1));
            }
        }
        var saver = Send(sparse: true);
        Assert.Equal((kinds[3], kinds[0] + 70, kinds[1] + kinds[2]), (saver.NormalPages, saver.ZeroPages, saver.SparsePages));
        AssertArrives();
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(Page, 1)]
    [InlineData(Page + 1, 2)]
    [InlineData(100 * Page, 100)]
    [InlineData(300 * Page, 300)]
    public void A_limit_ends_a_run_with_the_page_that_reaches_it(long limit, long pages)
    {
        for (var page = 0; page < 1024; page++) Write(_memory.Ram, page, (byte)(page | 1));
        var saver = Ready();
        saver.SaveIterate(_writer, limit);
        Assert.Equal(pages, saver.NormalPages);
        // The head of a run has at most 16 bytes here, and EOS 8.
        Assert.InRange(_writer.Position - 8, limit, limit + Page + 16);
        Assert.Equal((1094 - saver.NormalPages) * Page, saver.PendingEstimate);
        while (saver.PendingEstimate > 0) saver.SaveIterate(_writer, limit * 7);
        Assert.Equal((1024, 70), (saver.NormalPages, saver.ZeroPages));
        AssertArrives();
    }

    [Fact]
    public void Without_runs_there_are_the_records_of_QEMU_alone()
    {
        for (var page = 0; page < 600; page++) Write(_memory.Ram, page, (byte)(page | 1));
        var saver = new RamSaver(_guest) { LongestPart = Patience.Limit };
        saver.SaveSetup(new WireWriter(new BytesWriter(keep: false)));
        saver.SaveIterate(_writer, long.MaxValue);
        Assert.Equal((600 * (8L + Page)) + (494 * 9) + (2 * 4) + 8, _writer.Position);
        AssertArrives(acceptsRuns: false);
    }

    [Fact]
    public void What_is_dirtied_before_it_goes_goes_once_and_counts_as_dirtied()
    {
        var saver = Ready();
        // Sent meanwhile, and dirtied before: pages 3 and 70. Dirtied again behind it: 3. Dirtied behind it alone: 4.
        Write(_memory.Ram, 3, 1);
        Write(_memory.Ram, 70, 1);
        saver.SaveIterate(_writer, long.MaxValue);
        Assert.Equal(0, saver.PendingEstimate);
        Write(_memory.Ram, 3, 2);
        Write(_memory.Ram, 4, 2);
        Assert.Equal(2 * Page, saver.PendingExact());
        Assert.Equal(3, saver.DirtyPagesFound);
        saver.SaveIterate(_writer, long.MaxValue);
        Assert.Equal(0, saver.PendingExact());
        Assert.Equal(0, saver.DirtyPagesFound);
        AssertArrives();
    }

    [Fact]
    public void A_neighbour_that_was_sent_before_goes_along_when_it_is_dirty_again()
    {
        var saver = Ready();
        saver.SaveIterate(_writer, long.MaxValue);
        Write(_memory.Ram, 10, 1);
        Assert.Equal(Page, saver.PendingExact());
        // Not known to be dirty when the pass began, but near; and in a block that has nothing to send.
        Write(_memory.Ram, 11, 1);
        Write(_memory.Blocks[1], 64, 1);
        var before = saver.HandledPages;
        saver.SaveIterate(_writer, long.MaxValue);
        Assert.Equal(before + 2, saver.HandledPages);
        Assert.Equal((Page, 2), (saver.PendingExact(), saver.DirtyPagesFound));
        saver.SaveComplete(_writer);
        AssertArrives();
    }

    public void Dispose() => _guest.Remove();

    RamSaver Ready(bool sparse = false)
    {
        var saver = new RamSaver(_guest) { LongestPart = Patience.Limit, SendsRuns = true, SendsSparse = sparse };
        saver.SaveSetup(new WireWriter(new BytesWriter(keep: false)));
        return saver;
    }

    RamSaver Send(bool sparse = false)
    {
        var saver = Ready(sparse);
        saver.SaveIterate(_writer, long.MaxValue);
        return saver;
    }

    string Hex() => Convert.ToHexString(_bytes.Written);

    /// <summary>Heads of records, each with pages of the main block behind it.</summary>
    void AssertWritten(params (string Head, long First, int Pages)[] records)
    {
        var expected = new List<byte>();
        foreach (var (head, first, pages) in records)
        {
            expected.AddRange(Convert.FromHexString(head));
            expected.AddRange(_memory.Ram.Span(first * Page, pages * Page));
        }
        Assert.Equal(expected.Count, _bytes.Written.Length);
        Assert.True(expected.SequenceEqual(_bytes.Written));
    }

    void AssertArrives(bool acceptsRuns = true)
    {
        var list = new BytesWriter();
        new RamSaver(_guest).SaveSetup(new WireWriter(list));
        var arrived = new GuestMemory([("ram", 1024 * Page), ("rom", 70 * Page)]);
        var reader = new WireReader(new BytesReader((byte[])[.. list.Written, .. _bytes.Written], 4 * Page), MigrationSide.Source);
        var loader = new RamLoader(_ => arrived) { AcceptsRuns = acceptsRuns };
        while (!reader.IsAtEnd()) loader.ReadBody(reader);
        loader.Ram!.CheckComplete(reader);
        Assert.Equal(RamDigest.Compute(_memory), RamDigest.Compute(arrived));
        arrived.Release();
    }

    static unsafe void Write(RamBlock block, long page, byte value)
    {
        block.PageForWrite(page)[0] = value;
        block.Wrote(page);
    }
}
