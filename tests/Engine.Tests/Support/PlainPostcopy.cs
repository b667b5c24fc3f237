using System.Buffers.Binary;
using System.Text;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>
/// The loading side of a postcopy as plainly as can be, by the rules of the format: what is to come anew, and then each of those pages
/// once. Anything else fails the test. Knows nothing of the engine's readers.
/// </summary>
sealed class PlainPostcopy(GuestMemory memory, bool acceptsRuns)
{
    const int Page = GuestMemory.PageSize;

    readonly Dictionary<string, bool[]> _missing = memory.Blocks.ToDictionary(block => block.Name, block => new bool[block.Pages]);

    public long Missing => _missing.Values.Sum(pages => pages.Count(isMissing => isMissing));

    public bool IsMissing(string block, long page) => _missing[block][page];

    /// <summary>The words of QEMU's RECV_BITMAP.</summary>
    public ulong[] Received(string block)
    {
        var pages = _missing[block];
        var words = new ulong[(pages.Length + 63) / 64];
        for (var page = 0; page < pages.Length; page++)
            if (!pages[page]) words[page / 64] |= 1UL << (page % 64);
        return words;
    }

    /// <summary>Discards, and nothing else.</summary>
    public void TakeDiscards(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            Assert.Equal([0x08, 0x00, 0x06], bytes[..3].ToArray());
            var payload = bytes.Slice(5, BinaryPrimitives.ReadUInt16BigEndian(bytes[3..]));
            bytes = bytes[(5 + payload.Length)..];
            Assert.Equal(0, payload[0]);
            var name = Encoding.UTF8.GetString(payload.Slice(2, payload[1]));
            Assert.Equal(0, payload[2 + payload[1]]);
            var ranges = payload[(3 + payload[1])..];
            Assert.Equal(0, ranges.Length % 16);
            Assert.InRange(ranges.Length / 16, 1, 12);
            for (; !ranges.IsEmpty; ranges = ranges[16..])
            {
                var (start, length) = (BinaryPrimitives.ReadUInt64BigEndian(ranges), BinaryPrimitives.ReadUInt64BigEndian(ranges[8..]));
                for (var page = start / Page; page < (start + length) / Page; page++)
                {
                    Assert.False(_missing[name][page], $"Page {page} of {name} is discarded twice.");
                    _missing[name][page] = true;
                }
            }
        }
    }

    /// <summary>One connection with page records.</summary>
    public Channel Connect() => new(this, memory, acceptsRuns);

    /// <summary>Bytes of one connection, as they come: a record counts when all of it is there.</summary>
    public sealed class Channel(PlainPostcopy owner, GuestMemory memory, bool acceptsRuns)
    {
        RamBlock? _block;

        /// <summary>How many EOS came.</summary>
        public int Ends { get; private set; }

        /// <summary>Takes whole records, and returns how many bytes they were.</summary>
        public int Take(ReadOnlySpan<byte> bytes)
        {
            var at = 0;
            for (int length; (length = TakeRecord(bytes[at..])) > 0;) at += length;
            return at;
        }

        /// <summary>The length of the record; 0 when it is not all there.</summary>
        int TakeRecord(ReadOnlySpan<byte> bytes)
        {
            if (bytes.Length < 8) return 0;
            var word = BinaryPrimitives.ReadUInt64BigEndian(bytes);
            if (word == 0x10)
            {
                Ends++;
                return 8;
            }
            var (block, at) = (_block, 8);
            if ((word & 0x20) == 0)
            {
                if (bytes.Length < 9 || bytes.Length < 9 + bytes[8]) return 0;
                block = memory.Find(Encoding.UTF8.GetString(bytes.Slice(9, bytes[8])));
                at = 9 + bytes[8];
            }
            Assert.NotNull(block);
            var length = TakePages(block, (long)(word / Page), word & 0xFFF & ~0x20UL, bytes[at..]);
            if (length == 0) return 0;
            _block = block;
            return at + length;
        }

        int TakePages(RamBlock block, long first, ulong flags, ReadOnlySpan<byte> bytes)
        {
            if ((flags & 0x400) != 0) Assert.True(acceptsRuns);
            switch (flags)
            {
                case 0x08 when bytes.Length >= Page:
                    Place(block, first, 1, bytes[..Page]);
                    return Page;
                case 0x02 when bytes.Length >= 1:
                    Assert.Equal(0, bytes[0]);
                    Place(block, first, 1, []);
                    return 1;
                case 0x400 when bytes.Length >= 4 && bytes.Length >= 4 + Bytes(bytes):
                    Place(block, first, Bytes(bytes) / Page, bytes.Slice(4, Bytes(bytes)));
                    return 4 + Bytes(bytes);
                case 0x402 when bytes.Length >= 4:
                    Place(block, first, Bytes(bytes) / Page, []);
                    return 4;
                default:
                    Assert.Contains(flags, new ulong[] { 0x08, 0x02, 0x400, 0x402 });
                    return 0;
            }
        }

        static int Bytes(ReadOnlySpan<byte> count) => checked((int)BinaryPrimitives.ReadUInt32BigEndian(count) * Page);

        void Place(RamBlock block, long first, int count, ReadOnlySpan<byte> bytes)
        {
            for (var i = 0; i < count; i++)
            {
                Assert.True(owner._missing[block.Name][first + i], $"Page {first + i} of {block.Name} comes, and is not missing.");
                owner._missing[block.Name][first + i] = false;
                Fill(block, first + i, bytes.IsEmpty ? bytes : bytes.Slice(i * Page, Page));
            }
        }

        static unsafe void Fill(RamBlock block, long page, ReadOnlySpan<byte> bytes)
        {
            var to = new Span<byte>(block.PageForWrite(page), Page);
            if (bytes.IsEmpty) to.Clear();
            else bytes.CopyTo(to);
        }
    }
}
