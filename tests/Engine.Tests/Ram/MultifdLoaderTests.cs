using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>Every form of packet that a QEMU sends in a multifd channel, stored page for page.</summary>
public sealed class MultifdLoaderTests
{
    const int PageSize = GuestMemory.PageSize;
    const int Pages = 256;

    static readonly byte[][] Content = [.. Enumerable.Range(0, Pages).Select(MakePage)];

    [Theory]
    [InlineData("None", int.MaxValue)]
    [InlineData("None", 5000)]
    [InlineData("None", 1)]
    [InlineData("Zlib", int.MaxValue)]
    [InlineData("Zlib", 700)]
    [InlineData("Zlib", 1)]
    [InlineData("Zstd", int.MaxValue)]
    [InlineData("Zstd", 700)]
    public void Packets_of_all_sizes_through_one_stream(string method, int chunk)
    {
        var bytes = new BytesWriter();
        var source = new MultifdSource(bytes, Enum.Parse<MultifdMethod>(method));
        // A packet of one page, full ones, and an empty one between.
        source.Pages([Page(7)]).Packet([], [], 0, 0);
        source.Pages([.. Enumerable.Range(0, MultifdPacket.MaxPages).Select(Page)]);
        source.Pages([.. Enumerable.Range(MultifdPacket.MaxPages, MultifdPacket.MaxPages).Reverse().Select(Page)]);
        using var loaded = Load(bytes.Written, chunk);
        for (var i = 0; i < Pages; i++) loaded.AssertPage(i, Content[i]);
        Assert.Equal((1 + Pages, 0), (loaded.Loader.NormalPages, loaded.Loader.ZeroPages));
        Assert.Equal(0, loaded.Ram.MissingPages);
    }

    [Theory]
    [InlineData("Zlib")]
    [InlineData("Zstd")]
    public void Plain_packets_between_those_of_one_method(string method)
    {
        var bytes = new BytesWriter();
        var (packed, plain) = (new MultifdSource(bytes, Enum.Parse<MultifdMethod>(method)), new MultifdSource(bytes));
        for (var i = 0; i < Pages; i += 2) (i % 3 == 0 ? plain : packed).Pages([Page(i), Page(i + 1)]);
        using var loaded = Load(bytes.Written, 5000);
        for (var i = 0; i < Pages; i++) loaded.AssertPage(i, Content[i]);
    }

    [Fact]
    public void Zero_pages_behind_the_others_clear_what_was_there()
    {
        var bytes = new BytesWriter();
        new MultifdSource(bytes).Pages([Page(1), Page(2), Page(3)]).Pages([Page(4)], zero: [2 * PageSize, 200 * PageSize]).Pages([], zero: [3 * PageSize]);
        using var loaded = Load(bytes.Written);
        loaded.AssertPage(1, Content[1]);
        loaded.AssertPage(4, Content[4]);
        foreach (var page in new[] { 2, 3, 200 }) loaded.AssertPage(page, new byte[PageSize]);
        Assert.Equal((4, 3), (loaded.Loader.NormalPages, loaded.Loader.ZeroPages));
        Assert.Equal(Pages - 5, loaded.Ram.MissingPages);
        Assert.False(loaded.Ram.Memory.Ram.IsTouched(200 / RamBlock.PagesPerChunk), "A zero page took room.");
    }

    [Fact]
    public void The_same_page_twice_in_one_packet_and_in_two()
    {
        var bytes = new BytesWriter();
        new MultifdSource(bytes).Pages([Page(5), (5 * PageSize, Content[6])]).Pages([(5 * PageSize, Content[9])]);
        using var loaded = Load(bytes.Written);
        loaded.AssertPage(5, Content[9]);
    }

    [Theory]
    [InlineData("None")]
    [InlineData("Zlib")]
    public void SYNC_waits_for_its_mark_also_with_pages_and_with_a_stale_size(string method)
    {
        var bytes = new BytesWriter();
        var source = new MultifdSource(bytes, Enum.Parse<MultifdMethod>(method));
        // As 7.2 does it: a size left over, a method only where there are pages, then an empty packet.
        source.Sync(staleSize: 12345).Pages([Page(1)], flags: MultifdFlags.Sync).Packet([], [], 0, 0).Pages([(PageSize, Content[2])]).Sync(staleSize: 99);
        var barrier = new MultifdBarrier();
        using var loaded = Prepare(bytes.Written, barrier);
        var running = Task.Factory.StartNew(loaded.Loader.Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Patience.Until(() => loaded.Member.Delivered == 1, "the first SYNC");
        Assert.Equal(0, loaded.Loader.NormalPages);
        barrier.PassMark();
        Patience.Until(() => loaded.Member.Delivered == 2, "the SYNC that came with a page");
        loaded.AssertPage(1, Content[1]);
        Assert.Equal(1, loaded.Loader.NormalPages);
        barrier.PassMark();
        barrier.PassMark();
        Assert.True(running.Wait(Patience.Limit));
        loaded.AssertPage(1, Content[2]);
        barrier.Finish();
    }

    [Fact]
    public void Nothing_is_allocated_for_a_packet()
    {
        _ = Allocated(1);
        var (few, many) = (Allocated(4), Allocated(64));
        // 60 packets are 7,680 pages; the runtime counts in blocks of 8 KiB.
        Assert.InRange(many - few, -(16 << 10), 16 << 10);
    }

    static long Allocated(int packets)
    {
        var bytes = new BytesWriter();
        var source = new MultifdSource(bytes);
        for (var i = 0; i < packets; i++) source.Pages([.. Enumerable.Range(0, MultifdPacket.MaxPages).Select(Page)]);
        using var loaded = Prepare(bytes.Written, new MultifdBarrier());
        var before = GC.GetAllocatedBytesForCurrentThread();
        loaded.Loader.Run();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    static (long Offset, byte[] Bytes) Page(int number) => (number * PageSize, Content[number]);

    static byte[] MakePage(int number)
    {
        // Half of it compresses.
        var page = new byte[PageSize];
        new Random(number).NextBytes(page.AsSpan(0, PageSize / 2));
        return page;
    }

    static Loaded Load(byte[] channel, int chunk = int.MaxValue)
    {
        var loaded = Prepare(channel, new MultifdBarrier(), chunk);
        loaded.Loader.Run();
        return loaded;
    }

    static Loaded Prepare(byte[] channel, MultifdBarrier barrier, int chunk = int.MaxValue)
    {
        var ram = new ArrivingRam(new GuestMemory(Pages * PageSize));
        var reader = new WireReader(new BytesReader(channel, chunk), MigrationSide.Source);
        var member = barrier.Join();
        return new Loaded(ram, member, new MultifdLoader(reader, member, () => ram, _ => { }));
    }

    sealed record Loaded(ArrivingRam Ram, MultifdBarrier.Member Member, MultifdLoader Loader) : IDisposable
    {
        public void AssertPage(int page, byte[] expected) =>
            Assert.True(Ram.Memory.Ram.Page(page).SequenceEqual(expected), $"Page {page} is another.");

        public void Dispose()
        {
            Loader.Dispose();
            Ram.Memory.Release();
        }
    }
}
