using System.Buffers.Binary;
using System.Text;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Protocol;

/// <summary>
/// POSTCOPY_RAM_DISCARD: <c>u8 version, name, u8 0, n × {u64 start, u64 length}</c>, ranges of one block in bytes, whose pages will come
/// anew (postcopy_discard_send_range of QEMU). Gathers ranges, and writes a command for every twelve of them.
/// </summary>
ref struct RamDiscard
{
    /// <summary>The only version in use.</summary>
    public const byte Version = 0;

    /// <summary>Bytes of a range.</summary>
    public const int RangeLength = 8 + 8;

    // MAX_DISCARDS_PER_COMMAND of QEMU.
    const int MaxRanges = 12;

    const int MaxHeader = 1 + 1 + StreamConstants.MaxName + 1;

    readonly WireWriter _writer;
    readonly Span<byte> _payload;
    readonly int _header;
    int _length;

    /// <param name="writer">Where the commands go.</param>
    /// <param name="block">The block's name.</param>
    /// <param name="room">Of <see cref="MaxLength"/> bytes.</param>
    public RamDiscard(WireWriter writer, string block, Span<byte> room)
    {
        _writer = writer;
        _payload = room;
        var name = Encoding.UTF8.GetBytes(block, room[2..]);
        (room[0], room[1], room[2 + name]) = (Version, checked((byte)name), 0);
        _length = _header = 2 + name + 1;
    }

    /// <summary>Bytes of the longest command.</summary>
    public static int MaxLength => MaxHeader + (MaxRanges * RangeLength);

    /// <summary>
    /// Reads a command behind its head: <paramref name="find"/> gives the length of a block, or throws, and <paramref name="take"/> each range, whole
    /// pages that lie in it. Throws UnsupportedSectionVersion, InvalidLength, OffsetOutOfRange.
    /// </summary>
    public static void Read(WireReader reader, int length, int pageSize, Func<string, long> find, Action<long, long> take)
    {
        var version = reader.Byte();
        if (version != Version) throw reader.Error(MigrationErrorId.UnsupportedSectionVersion, $"A discard of version {version} is not supported.");
        var name = reader.Name();
        var size = find(name);
        var left = length - 1 - 1 - Encoding.UTF8.GetByteCount(name) - 1;
        if (reader.Byte() != 0 || left <= 0 || left % RangeLength != 0) throw reader.Error(MigrationErrorId.InvalidLength, "A discard has a wrong length.");
        for (; left > 0; left -= RangeLength)
        {
            var (start, count) = (reader.UInt64(), reader.UInt64());
            if (start > (ulong)size || count > (ulong)size - start || (start | count) % (ulong)pageSize != 0)
                throw reader.Error(MigrationErrorId.OffsetOutOfRange, $"Range 0x{start:x}+0x{count:x} does not lie in block '{Printable.Text(name)}' of {size} bytes.");
            take((long)start, (long)count);
        }
    }

    /// <summary>One range, which lies behind the one before.</summary>
    public void Add(long start, long length)
    {
        BinaryPrimitives.WriteUInt64BigEndian(_payload[_length..], (ulong)start);
        BinaryPrimitives.WriteUInt64BigEndian(_payload[(_length + 8)..], (ulong)length);
        _length += RangeLength;
        if (_length == _header + (MaxRanges * RangeLength)) End();
    }

    /// <summary>Writes what was gathered, if there is any.</summary>
    public void End()
    {
        if (_length > _header) CommandRecord.Write(_writer, CommandType.PostcopyRamDiscard, _payload[.._length]);
        _length = _header;
    }
}
