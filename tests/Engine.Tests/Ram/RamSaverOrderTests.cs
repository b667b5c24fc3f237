using System.Diagnostics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>A pass goes on elsewhere: a sender that is given the time, and a guest that writes while it does not send.</summary>
public sealed class RamSaverOrderTests : IDisposable
{
    const int Page = GuestMemory.PageSize;
    const int Window = 400;
    const int Ahead = 6000;

    // Of the last block nothing was ever written.
    static readonly (string Name, long Length)[] Blocks = [("rom", 70 * Page), ("ram", 16_384 * Page), ("free", 4096 * Page)];

    readonly GuestMemory _memory = new(Blocks);
    readonly GuestMemory _arrived = new(Blocks);
    readonly MemoryGuest _guest;
    readonly BytesWriter _bytes = new();
    readonly WireWriter _writer;
    readonly List<PassMove> _moves = [];
    readonly Random _random = new(1);
    long _clock = Stopwatch.Frequency;
    long _head = Ahead;

    public RamSaverOrderTests()
    {
        _guest = new MemoryGuest(Guid.NewGuid(), "order", "local", _memory, new CapturedMachine { Name = "pc-i440fx-7.2" });
        _writer = new WireWriter(_bytes);
        foreach (var block in _memory.Blocks.Take(2))
            for (var page = 0; page < block.Pages; page++) Write(block, page);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Who_walks_is_met_late_and_hardly_a_page_goes_again(bool sendsRuns)
    {
        var saver = Ready(sendsRuns);
        Pass(saver, Walk);
        var move = Assert.Single(_moves);
        Assert.InRange(move.Place.Page, move.From, 70 + 16_384 + 4096);
        Assert.True(move.Place.Otherwise > 1500, $"{move}");
        // A window's worth is sent at a time, and written behind.
        Assert.InRange(saver.PendingExact() / Page, 0, 500);
        Finish(saver);
    }

    [Fact]
    public void By_address_more_goes_again()
    {
        var saver = Ready(true, follows: false);
        Pass(saver, Walk);
        Assert.InRange(saver.PendingExact() / Page, 1500, 16_384);
        Finish(saver);
    }

    [Fact]
    public void Pages_that_are_written_anywhere_go_by_address()
    {
        var saver = Ready(true);
        for (var pass = 0; pass < 3; pass++)
        {
            Pass(saver, () => { for (var write = 0; write < 100; write++) Write(_memory.Blocks[1], _random.Next(16_384)); });
            saver.PendingExact();
        }
        Assert.Empty(_moves);
        Finish(saver);
    }

    [Fact]
    public void The_first_round_is_over_where_it_began_and_only_then_there_are_differences()
    {
        var saver = Ready(true, cache: 128 << 20);
        var hadDifferences = false;
        Pass(saver, () =>
        {
            if (_moves.Count > 0 && saver.PendingEstimate / Page > 2 * Window) hadDifferences |= saver.UsesDifferences;
            Walk();
        });
        Assert.Single(_moves);
        Assert.False(hadDifferences);
        Assert.Equal(0, saver.Xbzrle!.Pages);
        saver.PendingExact();
        // The page behind the last one that went: the round is over.
        Pass(saver, Walk);
        Assert.True(saver.UsesDifferences);
        Finish(saver);
    }

    [Fact]
    public void In_a_later_pass_it_is_known_from_the_look_at_the_end_of_the_one_before()
    {
        // Faster than the sender: much is left by each pass.
        var saver = Ready(true, follows: true);
        for (var pass = 0; pass < 5; pass++)
        {
            Pass(saver, () => Walk(380));
            saver.PendingExact();
        }
        Assert.True(_moves.Count >= 1);
        Assert.Equal(_moves.Count, _moves.Distinct().Count());
        Finish(saver);
    }

    [Fact]
    public void Every_page_of_a_pass_goes_once_wherever_it_goes_on()
    {
        var saver = Ready(true);
        Pass(saver, Walk);
        Assert.Single(_moves);
        // Each went once; what was written after it went is in the log.
        Assert.Equal(_memory.Length / Page, saver.HandledPages);
        Finish(saver);
    }

    [Fact]
    public void What_a_pass_gathered_goes_before_it_goes_on_elsewhere()
    {
        const int word = 64, zeros = 20 * word;
        using var saved = new SavedBlock(64 * word);
        for (var page = 0; page < saved.Pages; page++) saved.Fill(page, SavedPage.Dense);
        var saver = new RamSaver(saved.Guest, xbzrleCacheSize: 0) { LongestPart = Patience.Limit, SendsRuns = true, SendsSparse = true };
        saver.SaveSetup(saved.Writer);
        saver.SaveIterate(saved.Writer, long.MaxValue);
        // The next pass ends behind these, and the one after it begins there.
        for (var page = 0; page < zeros; page++) saved.Fill(page, SavedPage.Dense);
        saver.PendingExact();
        saver.SaveIterate(saved.Writer, long.MaxValue);
        for (var page = 0; page < 16 * word; page++) saved.Fill(zeros - word + page, page < word ? SavedPage.Sparse : SavedPage.Zero);
        var (words, isSending) = (0, false);
        saver.Order = new PassOrder(saved.Memory, () => 0, _moves.Add, () =>
        {
            // Asked before each word: three words of zeros are gathered. One of their pages is written anew, and goes with those before.
            if (!isSending || ++words != 5) return _clock;
            saved.Fill(zeros + 70, SavedPage.Sparse);
            saver.MoveTo(saved.Writer, zeros - word);
            return _clock;
        });
        saver.PendingExact();
        isSending = true;
        saver.SaveIterate(saved.Writer, long.MaxValue);
        Assert.True(words > 10, $"{words}");
        saver.SaveComplete(saved.Writer);
        saver.Cleanup();
        Assert.Equal(RamDigest.Compute(saved.Memory), RamDigest.Compute(saved.Arrived()));
    }

    public void Dispose()
    {
        _guest.Remove();
        _arrived.Release();
    }

    RamSaver Ready(bool sendsRuns, bool follows = true, long cache = 0)
    {
        var saver = new RamSaver(_guest, xbzrleCacheSize: cache) { LongestPart = Patience.Limit, SendsRuns = sendsRuns };
        if (follows) saver.Order = new PassOrder(_memory, () => 0, _moves.Add, () => _clock);
        saver.SaveSetup(_writer);
        return saver;
    }

    /// <summary>A window of 10 ms after the other until nothing is known to be dirty.</summary>
    void Pass(RamSaver saver, Action write)
    {
        while (saver.PendingEstimate > 0)
        {
            saver.SaveIterate(_writer, Window * Page);
            _clock += Stopwatch.Frequency / 100;
            write();
        }
    }

    void Walk() => Walk(120);

    void Walk(int pages)
    {
        for (var i = 0; i < pages; i++) Write(_memory.Blocks[1], _head++ % 16_384);
    }

    void Finish(RamSaver saver)
    {
        saver.SaveComplete(_writer);
        _writer.Flush();
        var reader = new WireReader(new BytesReader(_bytes.Written, 4 * Page), MigrationSide.Source);
        var loader = new RamLoader(_ => _arrived) { AcceptsRuns = true };
        while (!reader.IsAtEnd()) loader.ReadBody(reader);
        loader.Ram!.CheckComplete(reader);
        Assert.Equal(RamDigest.Compute(_memory), RamDigest.Compute(_arrived));
        saver.Cleanup();
    }

    unsafe void Write(RamBlock block, long page)
    {
        _random.NextBytes(new Span<byte>(block.PageForWrite(page) + 64, 1024));
        block.Wrote(page);
    }
}
