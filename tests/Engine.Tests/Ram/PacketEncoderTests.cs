using System.IO.Compression;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>Packets that are compressed here, unpacked by our own receiver and by a decompressor that is not ours.</summary>
public sealed class PacketEncoderTests : IDisposable
{
    const int PageSize = GuestMemory.PageSize;
    const int Pages = 1024;

    readonly GuestMemory _memory = new((long)Pages * PageSize);

    public static TheoryData<string, int, GuestContent> All
    {
        get
        {
            var data = new TheoryData<string, int, GuestContent>();
            foreach (var content in Enum.GetValues<GuestContent>())
            {
                foreach (var level in new[] { 0, 1, 6, 9 }) data.Add("Zlib", level, content);
                foreach (var level in new[] { -100, -7, -1, 0, 1, 3, 9, 19 }) data.Add("Zstd", level, content);
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Pages_come_out_as_they_went_in(string method, int level, GuestContent content)
    {
        ContentFill.Fill(_memory.Ram, _memory.Length, content, seed: 5);
        using var encoder = Encoder(method, level);
        Check(encoder, [.. Shuffled(seed: level).Select(offsets => encoder.Encode(_memory.Ram, offsets).ToArray())], Shuffled(seed: level));
    }

    [Theory]
    [InlineData("Zlib")]
    [InlineData("Zstd")]
    public void An_encoder_goes_over_to_storing_and_back_at_any_packet(string method)
    {
        ContentFill.Fill(_memory.Ram, _memory.Length, GuestContent.Mixed, seed: 6);
        for (var seed = 0; seed < 20; seed++)
        {
            using var encoder = Encoder(method, 1);
            var random = new Random(seed);
            var packets = Shuffled(seed);
            byte[][] data = [.. packets.Select(offsets => (random.Next(3) == 0 ? encoder.Encode(_memory.Ram, offsets) : encoder.Store(_memory.Ram, offsets)).ToArray())];
            Check(encoder, data, packets);
        }
    }

    [Theory]
    [InlineData("Zlib", 5 * 9)]
    [InlineData("Zstd", 6 + 3 * 4)]
    public void Stored_packets_are_hardly_longer_than_their_pages(string method, int more)
    {
        ContentFill.Fill(_memory.Ram, _memory.Length, GuestContent.Random, seed: 7);
        using var encoder = Encoder(method, 1);
        long[] offsets = [.. Enumerable.Range(0, MultifdPacket.MaxPages).Select(page => (long)page * PageSize)];
        encoder.Encode(_memory.Ram, offsets);
        encoder.Store(_memory.Ram, offsets);
        for (var i = 0; i < 3; i++) Assert.Equal((MultifdPacket.MaxPages * PageSize) + more, encoder.Store(_memory.Ram, offsets).Length);
    }

    [Theory]
    [InlineData("Zlib")]
    [InlineData("Zstd")]
    public void What_does_not_compress_fits_a_packet(string method)
    {
        ContentFill.Fill(_memory.Ram, _memory.Length, GuestContent.Random, seed: 8);
        using var encoder = Encoder(method, method == "Zlib" ? 9 : 19);
        long[] offsets = [.. Enumerable.Range(0, MultifdPacket.MaxPages).Select(page => (long)page * PageSize)];
        for (var i = 0; i < 4; i++) Assert.InRange(encoder.Encode(_memory.Ram, offsets).Length, 1, MultifdPacket.MaxCompressed - 1);
    }

    [Fact]
    public void Level_1_of_zstd_takes_no_more_bytes_than_packets_made_page_by_page_as_QEMU_does()
    {
        ContentFill.Fill(_memory.Ram, _memory.Length, GuestContent.Text, seed: 9);
        using var encoder = Encoder("Zstd", 1);
        using var packed = new MemoryStream();
        using var stream = new ZstdSharp.CompressionStream(packed, 1);
        var bytes = 0;
        for (var first = 0; first < Pages; first += MultifdPacket.MaxPages)
        {
            long[] offsets = [.. Enumerable.Range(first, MultifdPacket.MaxPages).Select(page => (long)page * PageSize)];
            bytes += encoder.Encode(_memory.Ram, offsets).Length;
            foreach (var offset in offsets) stream.Write(_memory.Ram.Span(offset, PageSize));
            stream.Flush();
        }
        Assert.InRange(bytes, 1, packed.Length);
    }

    [Theory]
    [InlineData("Zlib")]
    [InlineData("Zstd")]
    public void A_page_that_is_written_meanwhile_spoils_no_other(string method)
    {
        // Every page begins alike, so that later ones are made of earlier ones; page 0 is never still.
        for (var page = 0; page < Pages; page++)
        {
            ContentFill.Text(_memory.Ram.Span((long)page * PageSize, PageSize), 1);
            BitConverter.TryWriteBytes(_memory.Ram.Span(((long)page * PageSize) + 2048, 4), page);
        }
        using var done = new ManualResetEventSlim();
        var writer = Task.Factory.StartNew(() =>
        {
            for (var word = 0UL; !done.IsSet; word++) ContentFill.Random(_memory.Ram.Span(0, PageSize), word);
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        using var encoder = (IStoringEncoder)Encoder(method, 1);
        var packets = new List<long[]>();
        var data = new List<byte[]>();
        for (var first = 1; first < Pages - 126; first += 126)
        {
            packets.Add([0, .. Enumerable.Range(first, 126).Select(page => (long)page * PageSize), 0]);
            // Ends of frames among them.
            data.Add((first % 4 == 1 ? encoder.Store(_memory.Ram, packets[^1]) : encoder.Encode(_memory.Ram, packets[^1])).ToArray());
        }
        done.Set();
        writer.Wait();
        var (own, other) = (Receive(encoder.Method, data, packets), Unpack(encoder.Method, data));
        var at = 0;
        foreach (var offset in packets.SelectMany(offsets => offsets))
        {
            var page = (int)(offset / PageSize);
            var there = other.AsSpan(PageSize * at++, PageSize);
            if (page == 0) continue;
            Assert.True(_memory.Ram.Page(page).SequenceEqual(there), $"Page {page} is another.");
            Assert.True(_memory.Ram.Page(page).SequenceEqual(own.AsSpan((int)offset, PageSize)), $"Page {page} is another here.");
        }
    }

    [Theory]
    [InlineData("Zlib")]
    [InlineData("Zstd")]
    public void Nothing_is_allocated_for_a_packet(string method)
    {
        ContentFill.Fill(_memory.Ram, _memory.Length, GuestContent.Mixed, seed: 10);
        using var encoder = Encoder(method, 1);
        var offsets = Shuffled(seed: 3);
        Encode(encoder, offsets);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 20; i++) Encode(encoder, offsets);
        // More than 350 packets: the smallest object for each would be more. The runtime counts in blocks of 8 KiB.
        Assert.InRange(20 * offsets.Length, 350, int.MaxValue);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 8 << 10);
    }

    [Theory]
    [InlineData("Zlib")]
    [InlineData("Zstd")]
    public void An_encoder_may_be_disposed_of_twice_and_before_its_first_packet(string method)
    {
        var encoder = Encoder(method, 1);
        encoder.Dispose();
        encoder.Dispose();
    }

    public void Dispose() => _memory.Release();

    void Encode(IStoringEncoder encoder, long[][] packets)
    {
        foreach (var offsets in packets) encoder.Encode(_memory.Ram, offsets);
    }

    static IStoringEncoder Encoder(string method, int level) => method == "Zlib" ? new ZlibEncoder(level) : new ZstdEncoder(level);

    /// <summary>All pages, in packets of all sizes, partly in order; some twice.</summary>
    static long[][] Shuffled(int seed)
    {
        var random = new Random(seed);
        var pages = new List<int>();
        while (pages.Count < Pages * 5 / 4)
        {
            var (first, count) = (random.Next(Pages), random.Next(1, 40));
            pages.AddRange(Enumerable.Range(first, Math.Min(count, Pages - first)));
        }
        pages.AddRange(Enumerable.Range(0, Pages));
        var packets = new List<long[]>();
        for (var at = 0; at < pages.Count;)
        {
            var count = Math.Min(random.Next(4) == 0 ? random.Next(1, MultifdPacket.MaxPages) : MultifdPacket.MaxPages, pages.Count - at);
            packets.Add([.. pages.Skip(at).Take(count).Select(page => (long)page * PageSize)]);
            at += count;
        }
        return [.. packets];
    }

    void Check(IStoringEncoder encoder, IReadOnlyList<byte[]> data, long[][] packets)
    {
        Assert.True(Receive(encoder.Method, data, packets).AsSpan().SequenceEqual(_memory.Ram.Span(0, (int)_memory.Length)), "Our receiver has others.");
        byte[] expected = [.. packets.SelectMany(offsets => offsets.SelectMany(offset => _memory.Ram.Span(offset, PageSize).ToArray()))];
        Assert.True(Unpack(encoder.Method, data).AsSpan().SequenceEqual(expected), "Another decompressor finds others.");
    }

    /// <summary>Through the loader of our receiver, which checks each packet's length on its own.</summary>
    static byte[] Receive(MultifdMethod method, IReadOnlyList<byte[]> data, IReadOnlyList<long[]> packets)
    {
        var bytes = new BytesWriter();
        var source = new MultifdSource(bytes);
        for (var i = 0; i < data.Count; i++)
            source.Packet([.. packets[i].Select(offset => (ulong)offset)], [], (uint)method, (uint)data[i].Length).Wire.Bytes(data[i]);
        source.Wire.Flush();
        var ram = new ArrivingRam(new GuestMemory((long)Pages * PageSize));
        using var loader = new MultifdLoader(
            new WireReader(new BytesReader(bytes.Written, 5000), MigrationSide.Source), new MultifdBarrier().Join(), () => ram, _ => { });
        loader.Run();
        var arrived = ram.Memory.Ram.Span(0, Pages * PageSize).ToArray();
        ram.Memory.Release();
        return arrived;
    }

    /// <summary>All packets one behind the other, by the framework's zlib or by the test's own zstd, page by page.</summary>
    static byte[] Unpack(MultifdMethod method, IReadOnlyList<byte[]> data)
    {
        using var all = new MemoryStream([.. data.SelectMany(bytes => bytes)]);
        using Stream unpacked = method == MultifdMethod.Zlib ? new ZLibStream(all, CompressionMode.Decompress) : new ZstdSharp.DecompressionStream(all, checkEndOfStream: false);
        using var pages = new MemoryStream();
        var page = new byte[PageSize];
        while (unpacked.ReadAtLeast(page, PageSize, throwOnEndOfStream: false) is > 0 and var length) pages.Write(page, 0, length);
        return pages.ToArray();
    }
}
