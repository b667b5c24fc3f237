using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>Where the records of a stream between two ends of ours begin and end.</summary>
static class RecordBoundaries
{
    /// <summary>Of what a source sent.</summary>
    public static List<long> Forward(byte[] stream)
    {
        var walk = new Walk(stream);
        walk.Run();
        return walk.Found;
    }

    /// <summary>Of what came back.</summary>
    public static List<long> Back(byte[] messages)
    {
        var reader = new WireReader(new BytesReader(messages), MigrationSide.Destination);
        var found = new List<long> { 0 };
        for (; !reader.IsAtEnd(); found.Add(reader.Position)) ReturnPathMessage.Read(reader);
        return found;
    }

    /// <summary>Each boundary, the byte before it and behind it, and the middle of each record.</summary>
    public static long[] Places(IReadOnlyList<long> boundaries) =>
        [.. boundaries.SelectMany((at, i) => new[] { at - 1, at, at + 1, (at + boundaries[Math.Min(i + 1, boundaries.Count - 1)]) / 2 })
            .Where(at => at >= 0 && at <= boundaries[^1]).Distinct().Order()];

    sealed class Walk(byte[] stream)
    {
        readonly WireReader _reader = new(new BytesReader(stream), MigrationSide.Source);

        public List<long> Found { get; } = [0];

        public void Run()
        {
            StreamHeader.ReadMagic(_reader);
            Mark();
            ConfigurationRecord.Read(_reader);
            for (Mark(); !_reader.IsAtEnd(); Mark()) ReadRecord((RecordType)_reader.Byte());
        }

        void Mark()
        {
            if (Found[^1] != _reader.Position) Found.Add(_reader.Position);
        }

        void ReadRecord(RecordType type)
        {
            switch (type)
            {
                case RecordType.Command:
                    CommandRecord.Read(_reader, out var length);
                    _reader.Skip(length);
                    break;
                case RecordType.SectionStart:
                    ReadRam(SectionHeader.Read(_reader));
                    break;
                case RecordType.SectionPart or RecordType.SectionEnd:
                    ReadRam(new SectionHeader(_reader.UInt32(), StreamConstants.RamSection, 0, StreamConstants.RamVersion));
                    break;
                case RecordType.SectionFull:
                    ReadToFooter(SectionHeader.Read(_reader));
                    break;
                case RecordType.Eof:
                    break;
                default:
                    Assert.Equal(RecordType.VmDescription, type);
                    VmState.VmDescription.Skip(_reader);
                    break;
            }
        }

        void ReadToFooter(SectionHeader section)
        {
            Mark();
            ReadOnlySpan<byte> footer = [(byte)RecordType.Footer, (byte)(section.Id >> 24), (byte)(section.Id >> 16), (byte)(section.Id >> 8), (byte)section.Id];
            _reader.Skip(stream.AsSpan((int)_reader.Position).IndexOf(footer));
            Mark();
            section.ReadFooter(_reader);
        }

        void ReadRam(SectionHeader section)
        {
            Mark();
            while (ReadPages(_reader.UInt64())) Mark();
            Mark();
            section.ReadFooter(_reader);
        }

        bool ReadPages(ulong word)
        {
            var flags = word & RamFlags.Mask & ~RamFlags.Continue;
            if (flags == RamFlags.Eos) return false;
            if (flags == RamFlags.MemSize)
            {
                for (var left = word & ~RamFlags.Mask; left > 0;)
                {
                    _reader.Name();
                    left -= _reader.UInt64();
                }
                return true;
            }
            if ((word & RamFlags.Continue) == 0) _reader.Name();
            _reader.Skip(flags switch
            {
                RamFlags.Page => 4096,
                RamFlags.Zero => 1,
                RamFlags.Run => (int)_reader.UInt32() * 4096,
                RamFlags.Run | RamFlags.Zero => 4,
                RamFlags.Run | RamFlags.Xbzrle => _reader.UInt16(),
                _ => throw new InvalidOperationException($"The source sent a record {flags:x}."),
            });
            return true;
        }
    }
}
