using System.Buffers.Binary;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>Finds where the records of a direction of a link begin and end; the first is 0, the last the length.</summary>
delegate List<long> Boundaries(byte[] bytes);

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
        for (; !reader.IsAtEnd(); found.Add(reader.Position))
        {
            if (ReturnPathMessage.Read(reader).Type != ReturnPathType.ReceiveBitmap) continue;
            found.Add(reader.Position);
            // It follows its message, between its length and a mark.
            reader.Skip((int)reader.UInt64() + sizeof(ulong));
        }
        return found;
    }

    /// <summary>Of what a source sent through a multifd channel.</summary>
    public static List<long> Channel(byte[] packets)
    {
        var reader = new WireReader(new BytesReader(packets), MigrationSide.Source);
        var packet = new MultifdPacket();
        var found = new List<long> { 0 };
        reader.Bytes(MultifdInit.Size);
        for (found.Add(reader.Position); !reader.IsAtEnd(); found.Add(reader.Position))
        {
            packet.Read(reader);
            if (packet.DataSize > 0) found.Add(reader.Position);
            if (packet.DataSize > 0) reader.Bytes(packet.DataSize);
        }
        return found;
    }

    /// <summary>Of what a source sent through a preempt channel: what a recovery begins with, then pages alone.</summary>
    public static List<long> Preempt(byte[] stream)
    {
        var walk = new Walk(stream);
        walk.RunPreempt();
        return walk.Found;
    }

    /// <summary>Of TLS, in either direction: its own records, which are those of the greeting and then of up to 16 KiB.</summary>
    public static List<long> Tls(byte[] records)
    {
        const int Head = 5;
        var found = new List<long> { 0 };
        for (var at = 0; at + Head <= records.Length; found.Add(at)) at += Head + BinaryPrimitives.ReadUInt16BigEndian(records.AsSpan(at + 3));
        return found;
    }

    /// <summary>Every byte that is not deep inside a record: types, lengths, numbers, names, offsets.</summary>
    public static long[] Heads(IReadOnlyList<long> boundaries) =>
        [.. boundaries.SkipLast(1).SelectMany((at, i) => Enumerable.Range(0, (int)Math.Min(48, boundaries[i + 1] - at)).Select(more => at + more))];

    /// <summary>The longest record, which holds pages.</summary>
    public static (long At, long Length) Longest(IReadOnlyList<long> boundaries) =>
        boundaries.Skip(1).Select((end, i) => (At: boundaries[i], Length: end - boundaries[i])).MaxBy(record => record.Length);

    /// <summary>So many of the places, evenly spread; the first and the last are among them.</summary>
    public static long[] Some(long[] places, int most) =>
        places.Length <= most ? places : [.. Enumerable.Range(0, most).Select(i => places[(long)i * (places.Length - 1) / (most - 1)])];

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
            ReadHead();
            for (Mark(); !_reader.IsAtEnd(); Mark()) ReadRecord((RecordType)_reader.Byte());
        }

        public void RunPreempt()
        {
            ReadHead();
            for (Mark(); !_reader.IsAtEnd() && _reader.Peek(1)[0] == (byte)RecordType.Command; Mark()) ReadRecord((RecordType)_reader.Byte());
            for (; !_reader.IsAtEnd(); Mark()) ReadPages(_reader.UInt64());
        }

        void ReadHead()
        {
            StreamHeader.ReadMagic(_reader);
            Mark();
            ConfigurationRecord.Read(_reader);
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
            if (flags == RamFlags.MultifdFlush) return true;
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
                RamFlags.Xbzrle => _reader.Byte() - 1 + _reader.UInt16(),
                RamFlags.Run => (int)_reader.UInt32() * 4096,
                RamFlags.Run | RamFlags.Zero => 4,
                RamFlags.Run | RamFlags.Xbzrle => _reader.UInt16(),
                _ => throw new InvalidOperationException($"The source sent a record {flags:x}."),
            });
            return true;
        }
    }
}
