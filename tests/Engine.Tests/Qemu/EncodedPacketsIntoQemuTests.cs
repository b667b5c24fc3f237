using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>Packets of our encoders, one by one in a stream made by hand, into a real QEMU; its memory is compared page by page.</summary>
public sealed class EncodedPacketsIntoQemuTests
{
    const int Megabytes = 32;
    const int Pages = Megabytes << 8;

    // The first to mark rounds instead of sections.
    static readonly Version MarksRounds = new(8, 1);

    public static TheoryData<string, string, int, bool> Rows
    {
        get
        {
            var rows = new TheoryData<string, string, int, bool>();
            foreach (string binary in QemuRows.Binaries)
            {
                foreach (var level in new[] { 0, 1, 9 }) rows.Add(binary, "zlib", level, false);
                foreach (var level in new[] { -100, -7, 1, 3 }) rows.Add(binary, "zstd", level, false);
                foreach (var method in new[] { "zlib", "zstd" }) rows.Add(binary, method, 1, true);
            }
            return rows;
        }
    }

    [QemuTheory]
    [MemberData(nameof(Rows))]
    public void Every_page_arrives(string binary, string method, int level, bool storesSome)
    {
        var memory = new GuestMemory((long)Megabytes << 20);
        ContentFill.Fill(memory.Ram, memory.Length, GuestContent.Mixed, seed: 1);
        using var qemu = new QemuMachine(new QemuOptions(binary) { Megabytes = Megabytes }.Awaiting());
        qemu.SetCapabilities("multifd");
        qemu.SetParameters(("multifd-channels", 2), ("multifd-compression", method));
        // Asked before: a QEMU that waits for the first word of a connection answers nothing.
        var marksRounds = QemuIdentity.Query(qemu.Qmp).Version >= MarksRounds;
        var address = MigrationUri.Parse(qemu.Listen());
        var links = new List<IConnection>();
        IConnection Connect()
        {
            links.Add(Connector.Connect(address, Patience.Limit, default));
            return links[^1];
        }
        var main = new MultifdMain(Connect().Output, Pages, marksRounds).Header();
        var channels = new[] { new EncodedChannel(Connect(), 0, method, level), new EncodedChannel(Connect(), 1, method, level) };
        try
        {
            foreach (var channel in channels) channel.Source.Sync();
            main.Setup();
            var random = new Random(level);
            for (var first = 0; first < Pages;)
            {
                var count = Math.Min(random.Next(1, MultifdPacket.MaxPages + 1), Pages - first);
                channels[random.Next(2)].Send(memory.Ram, first, count, stores: storesSome && random.Next(3) > 0);
                first += count;
            }
            foreach (var channel in channels) channel.Source.Sync();
            main.Pass();
            foreach (var channel in channels) channel.Source.Sync();
            main.End();
            foreach (var link in links) link.Dispose();
            qemu.WaitForMigration();
            Assert.Empty(RamImage.Differences(qemu.Memory(), memory.Ram.Span(0, (int)memory.Length)));
        }
        finally
        {
            foreach (var channel in channels) channel.Encoder.Dispose();
            foreach (var link in links) link.Abort();
            memory.Release();
        }
    }

    sealed class EncodedChannel(IConnection link, byte number, string method, int level)
    {
        public MultifdSource Source { get; } = new MultifdSource(link.Output).Init(number);

        public IStoringEncoder Encoder { get; } = method == "zlib" ? new ZlibEncoder(level) : new ZstdEncoder(level);

        /// <summary>Every second page first, then those between, so that they lie together only sometimes.</summary>
        public void Send(RamBlock block, int first, int count, bool stores)
        {
            var pages = Enumerable.Range(first, count);
            if (count % 2 == 0) pages = pages.OrderBy(page => page % 2);
            long[] offsets = [.. pages.Select(page => (long)page * GuestMemory.PageSize)];
            var data = stores ? Encoder.Store(block, offsets) : Encoder.Encode(block, offsets);
            Source.Packet([.. offsets.Select(offset => (ulong)offset)], [], (uint)Encoder.Method, (uint)data.Length);
            Source.Wire.Bytes(data.Span);
            Source.Wire.Flush();
        }
    }
}
