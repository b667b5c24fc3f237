using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>
/// Whatever is dirty, asked for, limited and cut off: each page that was said to come anew comes once, and both ends hold the same. The
/// saver against a plain twin of the loading side; a seed tells everything.
/// </summary>
public sealed class PostcopyTwinTests
{
    const int Page = GuestMemory.PageSize;

    public static TheoryData<int, bool, bool> Cases()
    {
        var cases = new TheoryData<int, bool, bool>();
        for (var seed = 0; seed < 24; seed++) cases.Add(seed, seed % 2 == 0, seed % 3 == 0);
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_page_comes_once(int seed, bool runs, bool preempt) => new Run(seed, runs, preempt, cuts: 0).Play();

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_page_comes_once_after_links_that_broke(int seed, bool runs, bool preempt) => new Run(seed, runs, preempt, cuts: 3).Play();

    sealed class Run(int seed, bool runs, bool preempt, int cuts)
    {
        readonly Random _random = new(seed);
        readonly (string Name, long Length)[] _blocks = [("pc.ram", 3000 * Page), ("/rom@etc/acpi/tables", 130 * Page), ("pc.bios", 64 * Page), ("vga", Page)];
        readonly List<Link> _links = [];

        public void Play()
        {
            var (memory, arrived) = (new GuestMemory(_blocks), new GuestMemory(_blocks));
            var guest = new MemoryGuest(Guid.NewGuid(), "twin", "local", memory, new CapturedMachine { Name = "pc-i440fx-7.2" });
            Dirty(memory, 800);
            var saver = new RamSaver(guest, xbzrleCacheSize: seed % 4 == 1 ? 1 << 20 : 0) { LongestPart = Patience.Limit, SendsRuns = runs, SendsSparse = runs && seed % 4 == 0 };
            Precopy(saver, memory, arrived);
            var twin = new PlainPostcopy(arrived, runs);
            var discards = new BytesWriter();
            saver.BeginPostcopy(new WireWriter(discards));
            twin.TakeDiscards(discards.Written);
            Assert.Equal(twin.Missing * Page, saver.PendingEstimate);
            Postcopy(saver, twin);
            Assert.Equal(0, twin.Missing);
            Assert.Equal(RamDigest.Compute(memory), RamDigest.Compute(arrived));
            saver.Cleanup();
            guest.Remove();
            arrived.Release();
        }

        /// <summary>Some passes, the last of them not to its end, loaded by the engine.</summary>
        void Precopy(RamSaver saver, GuestMemory memory, GuestMemory arrived)
        {
            var bytes = new BytesWriter();
            var writer = new WireWriter(bytes);
            saver.SaveSetup(writer);
            for (var part = _random.Next(12); part > 0; part--)
            {
                saver.SaveIterate(writer, _random.Next(2000) * Page);
                Dirty(memory, _random.Next(200));
                if (_random.Next(2) == 0) saver.PendingExact();
            }
            var reader = new WireReader(new BytesReader(bytes.Written, 1 << 20), MigrationSide.Source);
            var loader = new RamLoader(_ => arrived) { AcceptsRuns = runs };
            while (!reader.IsAtEnd()) loader.ReadBody(reader);
        }

        void Postcopy(RamSaver saver, PlainPostcopy twin)
        {
            Connect(saver, twin);
            while (saver.PendingEstimate > 0 || twin.Missing > 0)
            {
                var asked = Ask(saver, twin);
                saver.SavePostcopy(_links[0].Writer, _random.Next(3) == 0 ? 0 : _random.Next(1, 400) * Page);
                if (cuts > 0 && (saver.PendingEstimate == 0 || _random.Next(8) == 0))
                {
                    cuts--;
                    Recover(saver, twin);
                    continue;
                }
                foreach (var link in _links) link.Deliver();
                Assert.Equal(twin.Missing * Page, saver.PendingEstimate);
                Assert.All(asked, page => Assert.False(twin.IsMissing(page.Block, page.Page)));
            }
            saver.EndPreempt(withEos: true);
            saver.SavePostcopyEnd(_links[0].Writer);
            foreach (var link in _links) link.Deliver();
            if (preempt) Assert.Equal(1, _links[1].Ends);
        }

        /// <summary>Requests of any length, also for what is there.</summary>
        List<(string Block, long Page)> Ask(RamSaver saver, PlainPostcopy twin)
        {
            var asked = new List<(string, long)>();
            for (var count = _random.Next(4); count > 0; count--)
            {
                var (name, length) = _blocks[_random.Next(_blocks.Length)];
                var first = _random.NextInt64(length / Page);
                var pages = _random.Next(5) > 0 ? 1 : _random.NextInt64(1, (length / Page) - first + 1);
                saver.Requests.Add(name, (ulong)(first * Page), (uint)(pages * Page));
                for (var page = first; page < first + pages; page++)
                    if (twin.IsMissing(name, page)) asked.Add((name, page));
            }
            return asked;
        }

        /// <summary>A part of what is on its way gets through, and what has come is told.</summary>
        void Recover(RamSaver saver, PlainPostcopy twin)
        {
            foreach (var link in _links) link.Cut(_random);
            foreach (var (name, _) in _blocks) saver.TakeReceived(name, twin.Received(name));
            saver.ForgetBlock();
            Connect(saver, twin);
            Assert.Equal(twin.Missing * Page, saver.PendingEstimate);
        }

        void Connect(RamSaver saver, PlainPostcopy twin)
        {
            _links.Clear();
            _links.Add(new Link(twin));
            if (!preempt) return;
            _links.Add(new Link(twin));
            saver.Preempt = _links[1].Writer;
        }

        /// <summary>Writes pages: zero, mostly zero, or full.</summary>
        unsafe void Dirty(GuestMemory memory, int pages)
        {
            for (; pages > 0; pages--)
            {
                var block = memory.Blocks[_random.Next(memory.Blocks.Count)];
                var page = _random.NextInt64(block.Pages);
                var bytes = new Span<byte>(block.PageForWrite(page), Page);
                bytes.Clear();
                if (_random.Next(3) is var kind && kind == 1) bytes[_random.Next(Page)] = 1;
                else if (kind == 2) _random.NextBytes(bytes);
                block.Wrote(page);
            }
        }
    }

    /// <summary>What is on its way to the twin.</summary>
    sealed class Link
    {
        readonly BytesWriter _bytes = new();
        readonly PlainPostcopy.Channel _channel;

        public Link(PlainPostcopy twin)
        {
            _channel = twin.Connect();
            Writer = new WireWriter(_bytes);
        }

        public WireWriter Writer { get; }

        public int Ends => _channel.Ends;

        public void Deliver()
        {
            Assert.Equal(_bytes.Written.Length, _channel.Take(_bytes.Written));
            _bytes.Clear();
        }

        public void Cut(Random random) => _channel.Take(_bytes.Written.AsSpan(0, random.Next(_bytes.Written.Length + 1)));
    }
}
