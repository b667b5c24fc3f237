using System.Buffers.Binary;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>What a sender with channels puts on the wire, byte for byte, next to what a test writes as a QEMU does.</summary>
public sealed class MultifdSaverTests : IDisposable
{
    const int Page = GuestMemory.PageSize;
    static readonly (string Name, long Length)[] Blocks = [("pc.ram", 300L * Page), ("pc.bios", 3L * Page)];
    static readonly MultifdDialect Qemu7 = new(MarksSections: true, HasZeroPages: false);

    readonly GuestMemory _memory = new(Blocks);
    readonly MemoryGuest _guest;
    readonly BytesWriter _main = new();
    readonly MemoryConnection _link = new(ReadOnlyMemory<byte>.Empty);

    public MultifdSaverTests()
    {
        _guest = new MemoryGuest(Guid.NewGuid(), "packets", "local", _memory, new CapturedMachine { Name = "pc-i440fx-7.2" });
        // Every seventh page stays zero.
        foreach (var block in _memory.Blocks)
            for (var page = 0; page < block.Pages; page++)
                if (page % 7 != 3) Write(block, page, (byte)(page + 1));
    }

    [Fact]
    public void An_init_packet()
    {
        var uuid = Guid.NewGuid();
        var (ours, theirs) = (new BytesWriter(), new BytesWriter());
        var writer = new WireWriter(ours);
        new MultifdInit(uuid, 7).Write(writer);
        writer.Flush();
        new MultifdSource(theirs).Init(7, uuid);
        Assert.Equal(theirs.Written, ours.Written);
        Assert.Equal(MultifdInit.Size, ours.Written.Length);
    }

    [Fact]
    public void With_zero_pages_in_packets_and_marks_of_their_own()
    {
        var bytes = new BytesWriter();
        var expected = Sync(new MultifdSource(bytes));
        Pass(expected, hasZeros: true);
        Sync(expected);
        Send(MultifdDialect.Ours);
        AssertSame(bytes.Written, _link.Written);
        var main = new WireReader(new BytesReader(_main.Written), MigrationSide.Source);
        SkipList(main);
        Assert.Equal([RamFlags.MultifdFlush, RamFlags.Eos, RamFlags.Eos, RamFlags.MultifdFlush, RamFlags.Eos], Words(main));
    }

    [Fact]
    public void With_zero_pages_in_the_main_stream_whose_sections_are_marks()
    {
        var bytes = new BytesWriter();
        var expected = Sync(new MultifdSource(bytes));
        Pass(expected, hasZeros: false);
        // PART and END.
        Sync(Sync(expected));
        Send(Qemu7);
        AssertSame(bytes.Written, _link.Written);
        var main = new WireReader(new BytesReader(_main.Written), MigrationSide.Source);
        SkipList(main);
        Assert.Equal(RamFlags.Eos, main.UInt64());
        var zeros = 0;
        ulong word;
        for (; (word = main.UInt64()) != RamFlags.Eos; zeros++)
        {
            Assert.Equal(RamFlags.Zero, word & RamFlags.Mask & ~RamFlags.Continue);
            if ((word & RamFlags.Continue) == 0) main.Name();
            Assert.Equal(0, main.Byte());
        }
        Assert.Equal(43, zeros);
        Assert.Equal(RamFlags.Eos, main.UInt64());
        Assert.True(main.IsAtEnd());
    }

    [Fact]
    public void A_page_goes_again_only_behind_a_mark()
    {
        using var outlets = new MultifdSaver(_memory, [_link], MultifdDialect.Ours, null, _ => { }, "marks");
        var (saver, writer) = (new RamSaver(_guest) { LongestPart = Patience.Limit, Outlets = outlets }, new WireWriter(_main));
        saver.SaveSetup(writer);
        for (var pass = 0; pass < 5; pass++)
        {
            saver.SaveIterate(writer, long.MaxValue);
            Write(_memory.Ram, 5, (byte)(100 + pass));
            Write(_memory.Ram, 299, (byte)(100 + pass));
            saver.PendingExact();
        }
        saver.SaveComplete(writer);
        var seen = new HashSet<(string, long)>();
        var syncs = 0;
        foreach (var (isSync, block, offsets) in Packets(_link.Written))
        {
            if (isSync)
            {
                seen.Clear();
                syncs++;
            }
            foreach (var offset in offsets) Assert.True(seen.Add((block, offset)), $"Page {offset / Page} of {block} goes twice between two marks.");
        }
        // One at setup, one before each later pass, the last one in END.
        Assert.Equal(7, syncs);
        Assert.Equal(303 + (5 * 2), outlets.NormalPages + outlets.ZeroPages);
        saver.Cleanup();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(10 * Page)]
    [InlineData(200 * Page)]
    public void A_budget_holds_and_zero_pages_do_not_use_it_up(long budget)
    {
        using var outlets = new MultifdSaver(_memory, [_link], MultifdDialect.Ours, null, _ => { }, "budget");
        var (saver, writer) = (new RamSaver(_guest) { LongestPart = Patience.Limit, Outlets = outlets }, new WireWriter(_main));
        saver.SaveSetup(writer);
        while (saver.PendingEstimate > 0)
        {
            var before = outlets.BytesSent + writer.Position;
            saver.SaveIterate(writer, budget);
            outlets.Drain();
            // The page that reaches it goes whole, and packets have headers.
            Assert.InRange(outlets.BytesSent + writer.Position - before, 1, budget + Page + (4 * MultifdPacket.Size) + 16);
        }
        Assert.Equal(303, outlets.NormalPages + outlets.ZeroPages);
        saver.Cleanup();
    }

    [Fact]
    public void An_encoder_that_can_not_be_made_ends_those_made_before()
    {
        MemoryConnection[] links = [_link, new(ReadOnlyMemory<byte>.Empty), new(ReadOnlyMemory<byte>.Empty)];
        var made = new List<DisposableEncoder>();
        var error = Assert.Throws<InsufficientMemoryException>(() =>
            new MultifdSaver(_memory, links, MultifdDialect.Ours, Make, _ => Assert.Fail("No channel has begun."), "encoders"));
        Assert.Equal("The third.", error.Message);
        Assert.Equal([true, true], made.Select(encoder => encoder.IsDisposed));
        Assert.Equal([true, true, false], links.Select(link => link.IsDisposed));

        DisposableEncoder Make()
        {
            if (made.Count == 2) throw new InsufficientMemoryException("The third.");
            made.Add(new DisposableEncoder());
            return made[^1];
        }
    }

    [Fact]
    public void Where_packets_leave_one_after_the_other_they_are_given_so()
    {
        using var gate = new SemaphoreSlim(0);
        var given = 0;
        using var outlets = new MultifdSaver(_memory, [_link], MultifdDialect.Ours, () => new GatedEncoder(gate), _ => { }, "slow");
        var giver = EngineThread.Start("giver", Give, failed: null);
        // One that is sent, those in the row, and the next one finds no room.
        Patience.Until(() => Volatile.Read(ref given) == 1 + MultifdSaver.BatchesPerChannel, "a full row");
        for (var more = 2; more < 5; more++)
        {
            gate.Release();
            Patience.Until(() => Volatile.Read(ref given) == more + MultifdSaver.BatchesPerChannel, "the next packet");
        }
        outlets.Abort();
        gate.Release(10);
        Assert.True(giver.Join(Patience.Limit));

        void Give()
        {
            while (true)
            {
                for (var word = 0; word < MultifdPacket.MaxPages / 64; word++) outlets.Send(_memory.Ram, word, ulong.MaxValue);
                Interlocked.Increment(ref given);
            }
        }
    }

    [Fact]
    public void Nothing_is_allocated_for_a_packet()
    {
        using var channel = new MultifdChannel(new MemoryConnection(ReadOnlyMemory<byte>.Empty, keep: false), findsZeros: true, encoder: null);
        var batch = new PageBatch();
        batch.Begin(_memory.Ram);
        batch.Add(0, ulong.MaxValue);
        batch.Add(1, ulong.MaxValue);
        Packets(channel, batch, 10);
        var few = Packets(channel, batch, 10);
        // 290 packets more: the smallest object for each would be 7 KiB. What the runtime does for itself now and then it does not each time.
        Assert.InRange(Enumerable.Range(0, 5).Min(_ => Packets(channel, batch, 300)) - few, 0, 2 << 10);
    }

    static long Packets(MultifdChannel channel, PageBatch batch, int count)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < count; i++)
        {
            channel.Send(batch, 1);
            channel.SendSync(2);
        }
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    [Fact]
    public void The_lowest_bits_are_those_that_a_plain_loop_finds()
    {
        var random = new Random(11);
        for (var round = 0; round < 2000; round++)
        {
            var bits = (ulong)random.NextInt64(long.MinValue, long.MaxValue) & (ulong)random.NextInt64(long.MinValue, long.MaxValue);
            var count = random.Next(70);
            ulong plain = 0;
            for (int bit = 0, taken = 0; bit < 64 && taken < count; bit++)
            {
                if ((bits >> bit & 1) == 0) continue;
                plain |= 1UL << bit;
                taken++;
            }
            Assert.Equal(plain, PageBatch.Lowest(bits, count));
        }
    }

    void Send(MultifdDialect dialect)
    {
        using (var outlets = new MultifdSaver(_memory, [_link], dialect, null, _ => { }, "exact"))
        {
            var (saver, writer) = (new RamSaver(_guest) { LongestPart = Patience.Limit, Outlets = outlets }, new WireWriter(_main));
            saver.SaveSetup(writer);
            saver.SaveIterate(writer, long.MaxValue);
            saver.SaveComplete(writer);
            Assert.Equal((260, 43), (saver.NormalPages, saver.ZeroPages));
            saver.Cleanup();
        }
        Assert.True(_link.IsDisposed, "The channel is not closed.");
    }

    /// <summary>A packet without pages names no block.</summary>
    static MultifdSource Sync(MultifdSource to) => to.Packet([], [], MultifdFlags.Sync, 0, block: "");

    /// <summary>All pages, in packets of one block and at most 128 pages.</summary>
    void Pass(MultifdSource to, bool hasZeros)
    {
        foreach (var block in _memory.Blocks)
        {
            var pages = Enumerable.Range(0, (int)block.Pages).Where(page => hasZeros || page % 7 != 3);
            foreach (var packet in pages.Chunk(MultifdPacket.MaxPages))
                to.Pages(
                    [.. packet.Where(page => page % 7 != 3).Select(page => ((long)page * Page, block.Page(page).ToArray()))],
                    [.. packet.Where(page => page % 7 == 3).Select(page => (long)page * Page)], block: block.Name);
        }
    }

    /// <summary>But for the numbers of the packets, which only count on.</summary>
    static void AssertSame(byte[] expected, byte[] sent)
    {
        var bytes = sent.ToArray();
        ulong last = 0;
        foreach (var at in Headers(bytes))
        {
            var number = BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(at + 24));
            Assert.Equal(last + 1, number);
            last = number;
            bytes.AsSpan(at + 24, 8).Clear();
        }
        Assert.Equal(expected.Length, bytes.Length);
        Assert.Equal(-1, expected.AsSpan().CommonPrefixLength(bytes) is var same && same == bytes.Length ? -1 : same);
    }

    static IEnumerable<int> Headers(byte[] bytes)
    {
        for (var at = 0; at < bytes.Length; at += MultifdPacket.Size + BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(at + 20))) yield return at;
    }

    static IEnumerable<(bool IsSync, string Block, long[] Offsets)> Packets(byte[] bytes)
    {
        var reader = new WireReader(new BytesReader(bytes), MigrationSide.Source);
        var packet = new MultifdPacket();
        while (!reader.IsAtEnd())
        {
            packet.Read(reader);
            yield return (packet.IsSync, packet.Block, packet.Offsets.ToArray());
            reader.Bytes(packet.DataSize);
        }
    }

    static void SkipList(WireReader reader)
    {
        Assert.Equal((303UL * Page) | RamFlags.MemSize, reader.UInt64());
        foreach (var (name, length) in Blocks) Assert.Equal((name, (ulong)length), (reader.Name(), reader.UInt64()));
    }

    static List<ulong> Words(WireReader reader)
    {
        var words = new List<ulong>();
        while (!reader.IsAtEnd()) words.Add(reader.UInt64());
        return words;
    }

    static unsafe void Write(RamBlock block, long page, byte value)
    {
        *(block.PageForWrite(page) + 1000) = value;
        block.Wrote(page);
    }

    public void Dispose() => _memory.Release();

    sealed class GatedEncoder(SemaphoreSlim gate) : IPacketEncoder
    {
        readonly byte[] _data = [1];

        public MultifdMethod Method => MultifdMethod.Zstd;

        public ReadOnlyMemory<byte> Encode(RamBlock block, ReadOnlySpan<long> offsets)
        {
            gate.Wait();
            return _data;
        }

        public void Dispose()
        {
        }
    }

    sealed class DisposableEncoder : IPacketEncoder
    {
        public bool IsDisposed { get; private set; }

        public MultifdMethod Method => MultifdMethod.Zstd;

        public ReadOnlyMemory<byte> Encode(RamBlock block, ReadOnlySpan<long> offsets) => throw new NotSupportedException();

        public void Dispose() => IsDisposed = true;
    }
}
