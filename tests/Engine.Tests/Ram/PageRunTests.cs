using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Tests.Transport;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>The records of the extension as the loader reads them, from any pipe and over every kind of link.</summary>
public sealed class PageRunTests : IDisposable
{
    const int Page = GuestMemory.PageSize;
    const int Pages = 1500;

    readonly GuestMemory _memory = new(Pages * Page);
    readonly byte[] _content = new byte[Pages * Page];

    public PageRunTests() => new Random(3).NextBytes(_content);

    public static TheoryData<string> Kinds => Links.Kinds;

    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(1)]
    [InlineData(4095)]
    public void A_run_is_stored_where_it_belongs_and_counted(int chunk)
    {
        // Word, name, 3 pages; the second goes on.
        byte[] stream =
        [
            .. List(), .. Convert.FromHexString("0000000000002400" + "0372616D" + "00000003"), .. _content.AsSpan(0, 3 * Page),
            .. Convert.FromHexString("0000000000006420" + "00000002"), .. _content.AsSpan(3 * Page, 2 * Page), .. Eos(),
        ];
        var loader = Load(stream, chunk);
        Assert.Equal((5, 0), (loader.NormalPages, loader.ZeroPages));
        Assert.True(_memory.Ram.Span(2 * Page, 3 * Page).SequenceEqual(_content.AsSpan(0, 3 * Page)));
        Assert.True(_memory.Ram.Span(6 * Page, 2 * Page).SequenceEqual(_content.AsSpan(3 * Page, 2 * Page)));
        Assert.Equal([2L, 3, 4, 6, 7], Come(loader));
    }

    [Fact]
    public void A_run_of_zeros_clears_what_was_there_and_touches_nothing_else()
    {
        Store(70, 3);
        var loader = Load([.. List(), .. Convert.FromHexString("0000000000001402" + "0372616D" + "000005DB"), .. Eos()]);
        Assert.Equal((0, 1499), (loader.NormalPages, loader.ZeroPages));
        Assert.Equal(Enumerable.Range(1, 1499).Select(page => (long)page), Come(loader));
        Assert.Equal(-1, _memory.Ram.Span(0, Pages * Page).IndexOfAnyExcept((byte)0));
        Assert.Equal([1L], Enumerable.Range(0, (Pages + 63) / 64).Where(chunk => _memory.Ram.IsTouched(chunk)).Select(chunk => (long)chunk));
    }

    [Theory]
    [InlineData("0003" + "050142", 5, 0x42)]
    [InlineData("0000", 0, 0)]
    [InlineData("0004" + "FF1F0143", 4095, 0x43)]
    public void A_sparse_page_is_zero_but_for_what_it_says_whatever_was_there(string difference, int at, byte value)
    {
        Store(9, 1);
        var loader = Load([.. List(), .. Convert.FromHexString("0000000000009440" + "0372616D" + difference), .. Eos()]);
        Assert.Equal((1, 1), (loader.NormalPages, loader.SparsePages));
        var expected = new byte[Page];
        expected[at] = value;
        Assert.True(_memory.Ram.Page(9).SequenceEqual(expected));
        Assert.Equal([9L], Come(loader));
    }

    [Fact]
    public void In_postcopy_pages_that_have_come_are_kept()
    {
        Store(3, 1);
        var loader = Load(List());
        loader.Ram!.Blocks[0].MarkReceived(3);
        loader.Ram.KeepsFirst = true;
        var before = _memory.Ram.Page(3).ToArray();
        Load(
        [
            .. Convert.FromHexString("0000000000002400" + "0372616D" + "00000003"), .. _content.AsSpan(0, 3 * Page),
            .. Convert.FromHexString("0000000000003422" + "00000005"), .. Eos(),
        ], loader: loader);
        Assert.True(_memory.Ram.Page(3).SequenceEqual(before));
        Assert.True(_memory.Ram.Page(2).SequenceEqual(_content.AsSpan(0, Page)));
        Assert.True(_memory.Ram.Page(4).SequenceEqual(_content.AsSpan(2 * Page, Page)));
        Assert.Equal([2L, 3, 4, 5, 6, 7], Come(loader));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Over_a_link_runs_of_all_lengths_come_whole(string kind)
    {
        var (source, destination) = Links.Open(kind);
        using var _ = source;
        using var __ = destination;
        var sending = Links.Run(() => Send(new WireWriter(source.Output), new Random(11)));
        var reader = new WireReader(destination.Input, MigrationSide.Source);
        var loader = new RamLoader(_ => _memory) { AcceptsRuns = true };
        loader.ReadBody(reader);
        loader.ReadBody(reader);
        var sent = sending.GetAwaiter().GetResult();
        Assert.Equal(sent, reader.Position);
        Assert.Equal(sent, destination.BytesReceived);
        Assert.Equal(sent, source.BytesSent);
        Assert.True(_memory.Ram.Span(0, Pages * Page).SequenceEqual(_content));
        loader.Ram!.CheckComplete(reader);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_was_sent_through_can_be_read_piece_by_piece_too(string kind)
    {
        var (source, destination) = Links.Open(kind);
        using var _ = source;
        using var __ = destination;
        var sending = Links.Run(() =>
        {
            var writer = new WireWriter(source.Output);
            writer.UInt32(7);
            writer.WriteThrough(_content);
            writer.WriteThrough(_content.AsSpan(5, 100_000));
            writer.UInt32(8);
            writer.Flush();
            return 0;
        });
        var reader = new WireReader(destination.Input, MigrationSide.Source);
        Assert.Equal(7u, reader.UInt32());
        Assert.True(_content.AsSpan(0, 1001).SequenceEqual(reader.Bytes(1001)));
        var rest = new byte[_content.Length - 1001];
        reader.ReadThrough(rest);
        Assert.True(_content.AsSpan(1001).SequenceEqual(rest));
        Assert.True(_content.AsSpan(5, 100_000).SequenceEqual(reader.Bytes(100_000)));
        Assert.Equal(8u, reader.UInt32());
        sending.GetAwaiter().GetResult();
    }

    public void Dispose() => _memory.Release();

    /// <summary>All pages, in runs of 1 to 700, among single pages and others that come twice.</summary>
    long Send(WireWriter writer, Random random)
    {
        writer.Bytes(List());
        writer.UInt64(RamFlags.Zero);
        writer.Name("ram");
        writer.Byte(0);
        for (var page = 0; page < Pages;)
        {
            var count = Math.Min(Pages - page, random.Next(4) switch { 0 => 1, 1 => random.Next(1, 20), 2 => random.Next(1, 100), _ => random.Next(1, 700) });
            if (random.Next(2) == 0) Zeros(writer, page, count);
            if (count == 1) writer.UInt64((ulong)(page * Page) | RamFlags.Page | RamFlags.Continue);
            else
            {
                writer.UInt64((ulong)(page * Page) | RamFlags.Run | RamFlags.Continue);
                writer.UInt32((uint)count);
            }
            writer.WriteThrough(_content.AsSpan(page * Page, count * Page));
            page += count;
        }
        writer.UInt64(RamFlags.Eos);
        writer.Flush();
        return writer.Position;
    }

    static void Zeros(WireWriter writer, int page, int count)
    {
        writer.UInt64((ulong)(page * Page) | RamFlags.Run | RamFlags.Zero | RamFlags.Continue);
        writer.UInt32((uint)count);
    }

    void Store(long first, int count)
    {
        for (var page = first; page < first + count; page++)
        {
            var block = new ArrivingBlock(_memory.Ram);
            block.Store(page, _content.AsSpan((int)page * Page, Page));
        }
    }

    static byte[] List() => Convert.FromHexString((Pages * Page | 4).ToString("X16") + "0372616D" + (Pages * Page).ToString("X16") + "0000000000000010");

    static byte[] Eos() => Convert.FromHexString("0000000000000010");

    RamLoader Load(byte[] stream, int chunk = int.MaxValue, RamLoader? loader = null)
    {
        var reader = new WireReader(new BytesReader(stream, chunk), MigrationSide.Source);
        loader ??= new RamLoader(_ => _memory) { AcceptsRuns = true };
        while (!reader.IsAtEnd()) loader.ReadBody(reader);
        return loader;
    }

    static IEnumerable<long> Come(RamLoader loader) => Enumerable.Range(0, Pages).Select(page => (long)page).Where(loader.Ram!.Blocks[0].HasCome);
}
