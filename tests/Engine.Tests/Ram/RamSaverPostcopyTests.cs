using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>The sending half of postcopy: every byte is known.</summary>
public sealed class RamSaverPostcopyTests : IDisposable
{
    const int Page = GuestMemory.PageSize;
    const string Ram = "0372616D";
    const string Rom = "03726F6D";
    const string Eos = "0000000000000010";

    readonly GuestMemory _memory = new([("ram", 200 * Page), ("rom", 70 * Page)]);
    readonly MemoryGuest _guest;
    readonly BytesWriter _bytes = new();
    readonly WireWriter _writer;

    public RamSaverPostcopyTests()
    {
        _guest = new MemoryGuest(Guid.NewGuid(), "postcopy", "local", _memory, new CapturedMachine { Name = "pc-i440fx-7.2" });
        _writer = new WireWriter(_bytes);
    }

    [Fact]
    public void What_comes_anew_is_said_in_ranges_block_by_block()
    {
        var saver = Sent();
        Write(_memory.Ram, 3, 5, 6, 62, 63, 64, 65, 199);
        Write(_memory.Blocks[1], 0);
        saver.BeginPostcopy(_writer);
        Assert.Equal("08" + "0006" + "0046" + "00" + Ram + "00" + Range(3, 1) + Range(5, 2) + Range(62, 4) + Range(199, 1)
            + "08" + "0006" + "0016" + "00" + Rom + "00" + Range(0, 1), Hex());
        Assert.Equal((9 * Page, 9, 2), (saver.PendingEstimate, saver.DirtyPagesFound, saver.SyncCount));
        Assert.All(_memory.Blocks, block => Assert.Null(block.Log));
        // No pass ends any more.
        Assert.Equal((9 * Page, 9, 2), (saver.PendingExact(), saver.DirtyPagesFound, saver.SyncCount));
    }

    [Fact]
    public void A_command_has_twelve_ranges_at_most()
    {
        var saver = Sent();
        for (var page = 0; page < 52; page += 2) Write(_memory.Ram, page);
        saver.BeginPostcopy(_writer);
        var expected = "";
        for (var first = 0; first < 26; first += 12)
        {
            var ranges = Enumerable.Range(first, Math.Min(12, 26 - first)).ToArray();
            expected += "08" + "0006" + (6 + (16 * ranges.Length)).ToString("X4") + "00" + Ram + "00" + string.Concat(ranges.Select(at => Range(2 * at, 1)));
        }
        Assert.Equal(expected, Hex());
    }

    [Fact]
    public void Pages_that_were_never_sent_are_among_them()
    {
        var saver = Ready();
        saver.SaveIterate(new WireWriter(new BytesWriter(keep: false)), 1);
        saver.BeginPostcopy(_writer);
        // Zero pages go 64 at a time.
        Assert.Equal("08" + "0006" + "0016" + "00" + Ram + "00" + Range(64, 136) + "08" + "0006" + "0016" + "00" + Rom + "00" + Range(0, 70), Hex());
    }

    [Fact]
    public void Nothing_is_said_of_a_block_that_is_there()
    {
        var saver = Sent();
        saver.BeginPostcopy(_writer);
        Assert.Equal("", Hex());
        saver.SavePostcopyEnd(_writer);
        Assert.Equal(Eos, Hex());
    }

    [Fact]
    public void What_is_asked_for_goes_first_then_what_lies_behind_it_and_round_to_the_rest()
    {
        var saver = Sent();
        Write(_memory.Ram, 3, 5, 6, 8, 199);
        Write(_memory.Blocks[1], 0);
        Clear(_memory.Ram, 5);
        saver.BeginPostcopy(new WireWriter(new BytesWriter(keep: false)));
        saver.Requests.Add("rom", 0, Page);
        saver.Requests.Add("ram", 6 * Page, Page);
        saver.SavePostcopy(_writer, long.MaxValue);
        saver.SavePostcopyEnd(_writer);
        AssertWritten(
            ("0000000000000008" + Rom, 1, 0),
            ("0000000000006008" + Ram, 0, 6),
            ("0000000000008028", 0, 8),
            ("00000000000C7028", 0, 199),
            ("0000000000003028", 0, 3),
            ("0000000000005022" + "00", 0, -1),
            (Eos, 0, -1),
            (Eos, 0, -1));
        Assert.Equal((0, 2, 2), (saver.PendingEstimate, saver.RequestedPages, saver.Requests.Received));
    }

    [Fact]
    public void A_request_goes_whatever_the_limit_and_nothing_else_does()
    {
        var saver = Sent();
        Write(_memory.Ram, 3, 5, 6);
        saver.BeginPostcopy(new WireWriter(new BytesWriter(keep: false)));
        saver.Requests.Add("ram", 4 * Page, 2 * Page);
        saver.SavePostcopy(_writer, 0);
        AssertWritten(("0000000000005008" + Ram, 0, 5), (Eos, 0, -1));
        // What it was asked for has gone, and page 4 had gone before.
        saver.Requests.Add(null, 4 * Page, 2 * Page);
        saver.SavePostcopy(_writer, 1);
        AssertWritten(("0000000000005008" + Ram, 0, 5), (Eos, 0, -1), ("0000000000006028", 0, 6), (Eos, 0, -1));
        Assert.Equal((Page, 1), (saver.PendingEstimate, saver.RequestedPages));
        Assert.Throws<InvalidOperationException>(() => saver.SavePostcopyEnd(_writer));
    }

    [Fact]
    public void To_ours_the_rest_goes_in_runs_and_memory_that_was_never_written_without_a_look()
    {
        var saver = Ready(runs: true);
        Write(_memory.Ram, [.. Enumerable.Range(0, 100)]);
        saver.BeginPostcopy(new WireWriter(new BytesWriter(keep: false)));
        saver.Requests.Add("ram", 10 * Page, Page);
        saver.SavePostcopy(_writer, long.MaxValue);
        AssertSame(_bytes.Written, [
            ("000000000000A008" + Ram, 0, 10, 1),
            // Behind it in the same 64, then pieces of 128 KiB.
            ("000000000000B420" + "00000020", 0, 11, 32),
            ("000000000002B420" + "00000015", 0, 43, 21),
            ("0000000000040420" + "00000020", 0, 64, 32),
            ("0000000000060420" + "00000004", 0, 96, 4),
            ("0000000000064422" + "00000064", 0, -1, 0),
            ("0000000000000402" + Rom + "00000046", 0, -1, 0),
            ("0000000000000400" + Ram + "0000000A", 0, 0, 10),
            (Eos, 0, -1, 0)]);
        Assert.Equal((100, 170, 0), (saver.NormalPages, saver.ZeroPages, saver.PendingEstimate));
    }

    [Fact]
    public void Differences_and_sparse_pages_end_with_precopy()
    {
        var saver = new RamSaver(_guest, xbzrleCacheSize: 64 << 20) { LongestPart = Patience.Limit, SendsRuns = true, SendsSparse = true };
        Write(_memory.Ram, 3);
        var forgotten = new WireWriter(new BytesWriter(keep: false));
        saver.SaveSetup(forgotten);
        saver.SaveIterate(forgotten, long.MaxValue);
        Write(_memory.Ram, 3);
        saver.PendingExact();
        saver.SaveIterate(forgotten, long.MaxValue);
        // The cache has it: one more pass would send a difference.
        Assert.Equal((2, 0, true), (saver.SparsePages, saver.Xbzrle!.Pages, saver.UsesDifferences));
        Write(_memory.Ram, 3);
        saver.BeginPostcopy(forgotten);
        saver.SavePostcopy(_writer, long.MaxValue);
        AssertWritten(("0000000000003008" + Ram, 0, 3), (Eos, 0, -1));
        Assert.False(saver.UsesDifferences);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Requested_pages_go_through_the_preempt_channel_with_a_block_of_its_own(bool withEos)
    {
        var there = new BytesWriter();
        var saver = Sent();
        Write(_memory.Ram, 3, 5, 6, 7);
        Write(_memory.Blocks[1], 0, 1);
        saver.BeginPostcopy(new WireWriter(new BytesWriter(keep: false)));
        saver.Preempt = new WireWriter(there);
        saver.SavePostcopy(_writer, 1);
        saver.Requests.Add("rom", 0, Page);
        saver.Requests.Add("ram", 5 * Page, Page);
        saver.Requests.Add("ram", 3 * Page, Page);
        saver.SavePostcopy(_writer, 1);
        saver.Requests.Add("ram", 6 * Page, 2 * Page);
        saver.SavePostcopy(_writer, long.MaxValue);
        saver.EndPreempt(withEos);
        saver.SavePostcopyEnd(_writer);
        AssertWritten(("0000000000003008" + Ram, 0, 3), (Eos, 0, -1), ("0000000000006028", 0, 6), (Eos, 0, -1),
            ("0000000000001008" + Rom, 1, 1), (Eos, 0, -1), (Eos, 0, -1));
        AssertSame(there.Written,
            [("0000000000000008" + Rom, 1, 0, 1), ("0000000000005008" + Ram, 0, 5, 1), ("0000000000007028", 0, 7, 1), .. withEos ? [(Eos, 0, -1, 0)] : Array.Empty<(string, int, int, int)>()]);
        // Asked for later, it would go where all goes.
        Assert.Equal(3, saver.RequestedPages);
    }

    [Fact]
    public void After_a_link_broke_goes_what_has_not_come_and_names_its_block()
    {
        var saver = Sent();
        Write(_memory.Ram, 3, 5, 6);
        saver.BeginPostcopy(new WireWriter(new BytesWriter(keep: false)));
        saver.SavePostcopy(new WireWriter(new BytesWriter(keep: false)), Page + 1);
        // Twice in a row; 5 was lost on its way each time. All bits behind the last page are set, which says nothing.
        for (var again = 0; again < 2; again++)
        {
            saver.TakeReceived("ram", [~(1UL << 5 | 1UL << 6), ulong.MaxValue, ulong.MaxValue, ulong.MaxValue]);
            saver.TakeReceived("rom", [ulong.MaxValue, ulong.MaxValue]);
            saver.ForgetBlock();
            Assert.Equal(2 * Page, saver.PendingEstimate);
            _bytes.Clear();
            saver.SavePostcopy(_writer, 1);
            AssertWritten(("0000000000005008" + Ram, 0, 5), (Eos, 0, -1));
        }
        saver.SavePostcopy(_writer, 1);
        saver.SavePostcopyEnd(_writer);
        Assert.Equal(0, saver.PendingEstimate);
    }

    [Fact]
    public void What_has_come_is_told_of_known_blocks_and_whole()
    {
        var saver = Sent();
        Write(_memory.Ram, 3);
        saver.BeginPostcopy(_writer);
        AssertWrong(MigrationErrorId.UnknownBlock, () => saver.TakeReceived("nvram", [0, 0, 0, 0]));
        AssertWrong(MigrationErrorId.InvalidLength, () => saver.TakeReceived("ram", [0, 0, 0]));
        AssertWrong(MigrationErrorId.InvalidLength, () => saver.TakeReceived("ram", [0, 0, 0, 0, 0]));
        AssertWrong(MigrationErrorId.InvalidLength, () => saver.TakeReceived("rom", []));
        Assert.Equal(Page, saver.PendingEstimate);
        saver.TakeReceived("rom", [0, 0]);
        Assert.Equal(71 * Page, saver.PendingEstimate);
    }

    [Fact]
    public void Channels_are_synchronized_and_left_before_it_begins()
    {
        var link = new MemoryConnection(ReadOnlyMemory<byte>.Empty);
        using var outlets = new MultifdSaver(_memory, [link], MultifdDialect.Ours, null, _ => { }, "postcopy");
        var saver = new RamSaver(_guest) { LongestPart = Patience.Limit, SendsRuns = true, Outlets = outlets };
        Write(_memory.Ram, [.. Enumerable.Range(0, 200)]);
        saver.SaveSetup(new WireWriter(new BytesWriter(keep: false)));
        saver.SaveIterate(new WireWriter(new BytesWriter(keep: false)), 100 * Page);
        var given = saver.NormalPages;
        Write(_memory.Ram, 0);
        Assert.Throws<InvalidOperationException>(() => saver.BeginPostcopy(_writer));
        saver.LeaveOutlets(_writer);
        AssertWritten(("0000000000000200", 0, -1), (Eos, 0, -1));
        // What was given has left, with its SYNC behind it: nothing more leaves there.
        var left = link.Written.Length;
        saver.BeginPostcopy(new WireWriter(new BytesWriter(keep: false)));
        var pending = saver.PendingEstimate / Page;
        saver.SavePostcopy(_writer, long.MaxValue);
        Assert.Equal((left, 0), (link.Written.Length, saver.PendingEstimate));
        Assert.Equal(271, given + pending);
        Assert.Equal(271, saver.NormalPages + saver.ZeroPages);
        saver.Cleanup();
    }

    public void Dispose() => _guest.Remove();

    static void AssertWrong(MigrationErrorId id, Action action)
    {
        var error = Assert.Throws<MigrationException>(action);
        Assert.Equal((id, MigrationSide.Destination), (error.Id, error.Side));
    }

    static string Range(long first, long pages) => (first * Page).ToString("X16") + (pages * Page).ToString("X16");

    RamSaver Ready(bool runs = false)
    {
        var saver = new RamSaver(_guest) { LongestPart = Patience.Limit, SendsRuns = runs };
        saver.SaveSetup(new WireWriter(new BytesWriter(keep: false)));
        return saver;
    }

    /// <summary>One for which a first pass is over.</summary>
    RamSaver Sent()
    {
        var saver = Ready();
        saver.SaveIterate(new WireWriter(new BytesWriter(keep: false)), long.MaxValue);
        return saver;
    }

    string Hex() => Convert.ToHexString(_bytes.Written);

    /// <summary>Heads of records, each with a page of a block behind it, or none.</summary>
    void AssertWritten(params (string Head, int Block, int Page)[] records) =>
        AssertSame(_bytes.Written, [.. records.Select(record => (record.Head, record.Block, record.Page, record.Page < 0 ? 0 : 1))]);

    void AssertSame(byte[] written, (string Head, int Block, int First, int Pages)[] records)
    {
        var expected = new List<byte>();
        foreach (var (head, block, first, pages) in records)
        {
            expected.AddRange(Convert.FromHexString(head));
            if (pages > 0) expected.AddRange(_memory.Blocks[block].Span(first * Page, pages * Page));
        }
        Assert.Equal(expected.Count, written.Length);
        Assert.True(expected.SequenceEqual(written));
    }

    static unsafe void Clear(RamBlock block, long page)
    {
        new Span<byte>(block.PageForWrite(page), Page).Clear();
        block.Wrote(page);
    }

    static unsafe void Write(RamBlock block, params int[] pages)
    {
        foreach (var page in pages)
        {
            block.PageForWrite(page)[7] += (byte)(page + 1);
            block.PageForWrite(page)[8] = 1;
            block.Wrote(page);
        }
    }
}
