using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Tests.Transport;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>In postcopy a page is placed once, whole or not at all, whatever a source sends.</summary>
public sealed class PostcopyPagesTests : IDisposable
{
    const int Page = GuestMemory.PageSize;
    const int Pages = 3000;

    readonly GuestMemory _memory = new((long)Pages * Page);
    readonly ArrivingRam _ram;
    readonly PageFaults _faults;

    public PostcopyPagesTests()
    {
        _ram = new ArrivingRam(_memory);
        _faults = new PageFaults(1, _ram.HasCome, (_, _) => { });
        _ram.Faults = _faults;
    }

    [Theory]
    [InlineData("bytes", 1, 4097)]
    [InlineData("bytes", 2, 1 << 20)]
    [InlineData("tcp4", 3, 0)]
    [InlineData("tcp4", 4, 0)]
    [InlineData("unix", 5, 0)]
    [InlineData("local", 6, 0)]
    [InlineData("local", 7, 0)]
    public void Any_records_leave_what_a_plain_reader_of_them_leaves(string kind, int seed, int chunk)
    {
        var random = new Random(seed);
        var plain = new Plain();
        Precopy(random, plain);
        var bytes = new BytesWriter();
        var writer = new WireWriter(bytes);
        for (var i = 0; i < 150; i++) RandomRecord(random, writer, plain, isFirst: i == 0);
        writer.Flush();
        if (kind == "bytes") Read(new WireReader(new BytesReader(bytes.Written, chunk), MigrationSide.Source));
        else OverLink(kind, bytes.Written);
        plain.AssertSame(_ram);
        Assert.Equal(plain.CameInPostcopy, _faults.Figures.Pages);
        Assert.InRange(plain.CameInPostcopy, 100, Pages);
    }

    [Theory]
    [InlineData("bytes")]
    [InlineData("tcp4")]
    [InlineData("local")]
    public void Of_a_run_that_breaks_no_page_counts_that_is_not_whole_and_the_rest_can_come_again(string kind)
    {
        var random = new Random(9);
        foreach (var cut in (int[])[0, 1, Page - 1, Page, (20 * Page) + 17, (700 * Page) + 1, (1500 * Page) - 1])
        {
            var ram = new ArrivingRam(_memory);
            ram.KeepsFirst = true;
            ram.Faults = new PageFaults(1, ram.HasCome, (_, _) => { });
            var content = Bytes(random, 1500);
            Assert.Contains(ErrorOf(kind, ram, Run(100, 1500, content)[..^(content.Length - cut)]),
                (MigrationErrorId[])[MigrationErrorId.UnexpectedEnd, MigrationErrorId.ConnectionLost]);
            var come = Enumerable.Range(0, Pages).Where(page => ram.Blocks[0].HasCome(page)).ToList();
            Assert.Equal(Enumerable.Range(100, come.Count), come);
            Assert.InRange(come.Count, 0, cut / Page);
            Assert.Equal(come.Count, ram.Faults.Figures.Pages);
            for (var i = 0; i < come.Count; i++) Assert.True(ram.Blocks[0].Block.Page(100 + i).SequenceEqual(content.AsSpan(i * Page, Page)));
            // A recovery brings what is missing; here with what had come, in another version, which is not wanted.
            var again = Bytes(random, 1500);
            Read(new WireReader(new BytesReader(Run(100, 1500, again)), MigrationSide.Source), ram);
            for (var i = 0; i < 1500; i++)
                Assert.True(ram.Blocks[0].Block.Page(100 + i).SequenceEqual((i < come.Count ? content : again).AsSpan(i * Page, Page)), $"page {i}, cut at {cut}");
            Assert.Equal(1500, ram.Faults.Figures.Pages);
        }
    }

    [Theory]
    // XBZRLE, a page compressed by itself, a sparse page.
    [InlineData("0000000000001040" + "0372616D" + "01" + "0003" + "050142")]
    [InlineData("0000000000001100" + "0372616D" + "00000003" + "050142")]
    [InlineData("0000000000001440" + "0372616D" + "0003" + "050142")]
    public void Differences_and_compressed_pages_are_refused(string record)
    {
        _ram.Blocks[0].Store(1, new byte[Page]);
        _ram.KeepsFirst = true;
        var reader = new WireReader(new BytesReader(Convert.FromHexString(record)), MigrationSide.Source);
        Assert.Equal(MigrationErrorId.OutOfOrder, Assert.Throws<MigrationException>(() => Read(reader)).Id);
        Assert.Equal(-1, _memory.Ram.Page(1).IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void Two_connections_that_bring_the_same_pages_place_each_of_them_once_and_whole()
    {
        for (var round = 0; round < 20; round++)
        {
            var ram = new ArrivingRam(_memory);
            ram.KeepsFirst = true;
            ram.Faults = new PageFaults(1, ram.HasCome, (_, _) => { });
            var streams = Enumerable.Range(0, 2).Select(who => Filled(new Random((round * 2) + who), (byte)(who + 1))).ToArray();
            var gate = new Barrier(3);
            var readers = streams.Select(stream => Links.Run(() =>
            {
                gate.SignalAndWait();
                Read(new WireReader(new BytesReader(stream, 100_000), MigrationSide.Source), ram);
                return true;
            })).ToArray();
            // What a vCPU sees: a page that has come, and stays as it is.
            var seen = new byte[Pages];
            gate.SignalAndWait();
            while (!ram.IsComplete) Look(ram, seen);
            foreach (var reader in readers) Assert.True(Patience.Within(reader.GetAwaiter().GetResult, "a reader"));
            Look(ram, seen);
            Assert.Equal(Pages, ram.Faults.Figures.Pages);
        }
    }

    [Fact]
    public void Pages_are_claimed_as_by_the_plain_twin()
    {
        var random = new Random(4);
        for (var round = 0; round < 300; round++)
        {
            var (block, plain) = (new ArrivingBlock(_memory.Ram), new ArrivingBlock(_memory.Ram));
            for (var step = 0; step < 60; step++)
            {
                var first = random.Next(Pages);
                var count = random.Next(1, Math.Min(random.Next(2) == 0 ? 20 : 400, Pages - first) + 1);
                if (random.Next(4) == 0)
                {
                    block.MarkReceived(first, count);
                    plain.MarkReceived(first, count);
                    continue;
                }
                var claimed = block.Claim(first, count);
                Assert.Equal(plain.ClaimPlain(first, count), claimed);
                if (random.Next(2) == 0) continue;
                var returned = random.Next(claimed + 1);
                block.Unclaim(first, returned);
                plain.Unclaim(first, returned);
            }
        }
    }

    public void Dispose() => _memory.Release();

    void Read(WireReader reader, ArrivingRam? ram = null)
    {
        var records = new PageRecords { Ram = ram ?? _ram, AcceptsRuns = true };
        while (!reader.IsAtEnd())
        {
            records.ReadPlainPages(reader);
            Assert.True(records.TryRead(reader, reader.UInt64()));
        }
    }

    void OverLink(string kind, byte[] bytes, ArrivingRam? ram = null)
    {
        var (source, destination) = Links.Open(kind);
        using var _ = destination;
        var sending = Links.Run(() =>
        {
            using var __ = source;
            var writer = new WireWriter(source.Output);
            writer.WriteThrough(bytes);
            writer.Flush();
            source.Output.Complete();
            return true;
        });
        try
        {
            Read(new WireReader(destination.Input, MigrationSide.Source), ram);
        }
        finally
        {
            destination.Abort();
            Patience.Within(() => Task.WaitAny([sending]), "the sender");
        }
    }

    MigrationErrorId ErrorOf(string kind, ArrivingRam ram, byte[] bytes) => Assert.Throws<MigrationException>(() =>
    {
        if (kind == "bytes") Read(new WireReader(new BytesReader(bytes, 10_000), MigrationSide.Source), ram);
        else OverLink(kind, bytes, ram);
    }).Id;

    static byte[] Bytes(Random random, int pages)
    {
        var bytes = new byte[pages * Page];
        random.NextBytes(bytes);
        return bytes;
    }

    static byte[] Run(int first, int count, byte[] content)
    {
        var bytes = new BytesWriter();
        var writer = new WireWriter(bytes);
        writer.UInt64((ulong)(first * Page) | RamFlags.Run);
        writer.Name("ram");
        writer.UInt32((uint)count);
        writer.Bytes(content);
        writer.Flush();
        return bytes.Written;
    }

    /// <summary>All pages in pieces of random order and length, each filled with one byte.</summary>
    static byte[] Filled(Random random, byte fill)
    {
        var pieces = new List<(int First, int Count)>();
        for (var page = 0; page < Pages;)
        {
            var count = Math.Min(Pages - page, random.Next(2) == 0 ? random.Next(1, 5) : random.Next(1, 200));
            pieces.Add((page, count));
            page += count;
        }
        var order = pieces.ToArray();
        random.Shuffle(order);
        var content = new byte[200 * Page];
        Array.Fill(content, fill);
        return [.. order.SelectMany(piece => Run(piece.First, piece.Count, content[..(piece.Count * Page)]))];
    }

    static void Look(ArrivingRam ram, byte[] seen)
    {
        var block = ram.Blocks[0];
        for (var page = 0; page < Pages; page++)
        {
            if (!block.HasCome(page)) continue;
            var bytes = block.Block.Page(page);
            Assert.True(bytes[0] is 1 or 2 && bytes.IndexOfAnyExcept(bytes[0]) < 0, $"Page {page} is torn.");
            Assert.True(seen[page] == 0 || seen[page] == bytes[0], $"Page {page} was written twice.");
            seen[page] = bytes[0];
        }
    }

    /// <summary>Some pages have come before, and of those some are discarded.</summary>
    void Precopy(Random random, Plain plain)
    {
        for (var i = 0; i < 40; i++)
        {
            var first = random.Next(Pages);
            var count = random.Next(1, Math.Min(60, Pages - first) + 1);
            var content = Bytes(random, 1);
            var isDiscarded = random.Next(2) == 0;
            for (var page = first; page < first + count; page++)
            {
                _ram.Blocks[0].Store(page, content);
                plain.Store(page, content);
                plain.Come[page] = !isDiscarded;
            }
            if (isDiscarded) _ram.Blocks[0].Discard(first, count);
        }
        _ram.KeepsFirst = plain.KeepsFirst = true;
    }

    static void RandomRecord(Random random, WireWriter writer, Plain plain, bool isFirst)
    {
        var first = random.Next(Pages);
        var count = random.Next(1, Math.Min(random.Next(3) == 0 ? 1500 : 40, Pages - first) + 1);
        var flags = random.Next(4) switch { 0 => RamFlags.Page, 1 => RamFlags.Zero, 2 => RamFlags.Run, _ => RamFlags.Run | RamFlags.Zero };
        if ((flags & RamFlags.Run) == 0) count = 1;
        var goesOn = !isFirst && random.Next(5) != 0;
        writer.UInt64((uint)(first * Page) | flags | (goesOn ? RamFlags.Continue : 0));
        if (!goesOn) writer.Name("ram");
        if ((flags & RamFlags.Run) != 0) writer.UInt32((uint)count);
        else if (flags == RamFlags.Zero) writer.Byte(0);
        for (var page = first; page < first + count; page++)
        {
            var content = new byte[Page];
            if ((flags & RamFlags.Zero) == 0)
            {
                random.NextBytes(content);
                writer.Bytes(content);
            }
            plain.Store(page, content);
        }
    }

    /// <summary>A page at a time, in arrays.</summary>
    sealed class Plain
    {
        readonly byte[][] _pages = [.. Enumerable.Range(0, Pages).Select(_ => new byte[Page])];

        public bool[] Come { get; } = new bool[Pages];

        public bool KeepsFirst { get; set; }

        public long CameInPostcopy { get; private set; }

        public void Store(int page, byte[] content)
        {
            if (KeepsFirst && Come[page]) return;
            if (KeepsFirst) CameInPostcopy++;
            (_pages[page], Come[page]) = (content, true);
        }

        public void AssertSame(ArrivingRam ram)
        {
            for (var page = 0; page < Pages; page++)
            {
                Assert.Equal(Come[page], ram.Blocks[0].HasCome(page));
                Assert.True(ram.Blocks[0].Block.Page(page).SequenceEqual(_pages[page]), $"Page {page} differs.");
            }
        }
    }
}
