using System.Buffers.Binary;
using System.Text;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Protocol;

/// <summary>
/// The header of a multifd packet, 1344 bytes for pages of 4 KiB (MultiFDPacket_t of migration/multifd.h), in the layouts of 7.2 and
/// of 9.0, which differ only in a field that was zero before. One object for each channel, filled anew by each packet: nothing is
/// allocated unless the block changes.
/// </summary>
sealed class MultifdPacket
{
    /// <summary>Pages that one packet can name: QEMU's packets are for 512 KiB.</summary>
    public const int MaxPages = 128;

    /// <summary>Bytes of the header.</summary>
    public const int Size = OffsetsAt + (MaxPages * 8);

    /// <summary>The most data that a compressed packet is allowed, bytes; twice the pages, which is the size of QEMU's buffers.</summary>
    public const int MaxCompressed = 2 * MaxPages * PageSize;

    const int PageSize = 4096;
    const int NameAt = 64;
    const int NameSize = 256;
    const int OffsetsAt = NameAt + NameSize;

    readonly byte[] _name = new byte[NameSize];
    readonly long[] _offsets = new long[MaxPages];

    /// <summary>SYNC: the channel waits for the next mark behind this packet.</summary>
    public bool IsSync { get; private set; }

    /// <summary>How the pages are compressed; without meaning where there are none.</summary>
    public MultifdMethod Method { get; private set; }

    /// <summary>Pages whose content follows.</summary>
    public int NormalPages { get; private set; }

    /// <summary>Pages that are zero; their offsets come after those of the others. None before QEMU 9.0.</summary>
    public int ZeroPages { get; private set; }

    /// <summary>Bytes that follow the header.</summary>
    public int DataSize { get; private set; }

    /// <summary>The block of all pages; what the packet before said where there are none.</summary>
    public string Block { get; private set; } = "";

    /// <summary>Where the pages lie in their block, bytes: first the normal ones, then the zero ones. Not checked against the block.</summary>
    public ReadOnlySpan<long> Offsets => _offsets.AsSpan(0, NormalPages + ZeroPages);

    /// <summary>
    /// Reads the header only. Throws BadMagic, UnsupportedVersion, InvalidValue, InvalidLength, and UnsupportedFeature for device
    /// states.
    /// </summary>
    public void Read(WireReader reader)
    {
        CheckKind(reader, reader.Peek(12));
        var header = reader.Peek(Size)[..Size];
        var flags = BinaryPrimitives.ReadUInt32BigEndian(header[8..]);
        var normal = BinaryPrimitives.ReadUInt32BigEndian(header[16..]);
        var zero = BinaryPrimitives.ReadUInt32BigEndian(header[32..]);
        CheckCounts(reader, BinaryPrimitives.ReadUInt32BigEndian(header[12..]), normal, zero);
        IsSync = (flags & MultifdFlags.Sync) != 0;
        Method = (MultifdMethod)(flags & MultifdFlags.MethodMask);
        (NormalPages, ZeroPages) = ((int)normal, (int)zero);
        // QEMU 7.2 leaves the size of an earlier packet in one without pages, and sends SYNC with no method.
        DataSize = normal == 0 ? 0 : CheckSize(reader, BinaryPrimitives.ReadUInt32BigEndian(header[20..]));
        if (normal + zero > 0) ReadPages(reader, header);
        reader.Skip(Size);
    }

    /// <summary>
    /// Fills in a header: of pages of one block, which then carries the method, or without pages of SYNC alone. Every byte is written.
    /// </summary>
    /// <param name="header">Room for <see cref="Size"/> bytes.</param>
    /// <param name="flags">SYNC and the method's bits.</param>
    /// <param name="number">QEMU's packet_num, for traces only.</param>
    /// <param name="block">The block's name, at most 255 bytes of UTF-8; empty without pages.</param>
    /// <param name="normal">Where pages lie whose content follows, bytes.</param>
    /// <param name="zero">Where zero pages lie; none to a QEMU before 9.0, which does not look there.</param>
    /// <param name="dataSize">Bytes that follow.</param>
    public static void Write(
        Span<byte> header, uint flags, ulong number, string block, ReadOnlySpan<long> normal, ReadOnlySpan<long> zero, int dataSize)
    {
        header[..Size].Clear();
        BinaryPrimitives.WriteUInt32BigEndian(header, MultifdInit.Magic);
        BinaryPrimitives.WriteUInt32BigEndian(header[4..], MultifdInit.Version);
        BinaryPrimitives.WriteUInt32BigEndian(header[8..], flags);
        BinaryPrimitives.WriteUInt32BigEndian(header[12..], MaxPages);
        BinaryPrimitives.WriteUInt32BigEndian(header[16..], (uint)normal.Length);
        BinaryPrimitives.WriteUInt32BigEndian(header[20..], (uint)dataSize);
        BinaryPrimitives.WriteUInt64BigEndian(header[24..], number);
        BinaryPrimitives.WriteUInt32BigEndian(header[32..], (uint)zero.Length);
        Encoding.UTF8.GetBytes(block, header.Slice(NameAt, NameSize - 1));
        var offsets = header[OffsetsAt..Size];
        for (var i = 0; i < normal.Length; i++) BinaryPrimitives.WriteInt64BigEndian(offsets[(8 * i)..], normal[i]);
        offsets = offsets[(8 * normal.Length)..];
        for (var i = 0; i < zero.Length; i++) BinaryPrimitives.WriteInt64BigEndian(offsets[(8 * i)..], zero[i]);
    }

    static void CheckKind(WireReader reader, ReadOnlySpan<byte> start)
    {
        MultifdInit.CheckMagic(reader, BinaryPrimitives.ReadUInt32BigEndian(start));
        MultifdInit.CheckVersion(reader, BinaryPrimitives.ReadUInt32BigEndian(start[4..]));
        var flags = BinaryPrimitives.ReadUInt32BigEndian(start[8..]);
        if ((flags & ~MultifdFlags.Known) != 0) throw reader.Error(MigrationErrorId.InvalidValue, $"Multifd flags 0x{flags:x} can't be.");
        // Such a packet is of another length; nothing behind it can be read.
        if ((flags & MultifdFlags.DeviceState) != 0)
            throw reader.Error(MigrationErrorId.UnsupportedFeature, "A device's state in a multifd channel (VFIO) is not supported by this receiver.");
    }

    static void CheckCounts(WireReader reader, uint allocated, uint normal, uint zero)
    {
        if (allocated > MaxPages || normal > MaxPages || zero > MaxPages - normal)
            throw reader.Error(MigrationErrorId.InvalidLength,
                $"A multifd packet of {normal} pages and {zero} zero pages in {allocated} places can't be: {MaxPages} are the most.");
    }

    int CheckSize(WireReader reader, uint size)
    {
        if (Method == MultifdMethod.None ? size != (uint)NormalPages * PageSize : size is 0 or > MaxCompressed)
            throw reader.Error(MigrationErrorId.InvalidLength, $"A multifd packet of {NormalPages} pages can't have {size} bytes ({Method}).");
        return (int)size;
    }

    void ReadPages(WireReader reader, ReadOnlySpan<byte> header)
    {
        var name = header.Slice(NameAt, NameSize);
        if (!name.SequenceEqual(_name))
        {
            var length = name.IndexOf((byte)0);
            if (length < 0) throw reader.Error(MigrationErrorId.InvalidValue, "The name of a multifd packet's block has no end.");
            name.CopyTo(_name);
            Block = Encoding.UTF8.GetString(name[..length]);
        }
        for (var i = 0; i < NormalPages + ZeroPages; i++)
        {
            var offset = BinaryPrimitives.ReadUInt64BigEndian(header[(OffsetsAt + (i * 8))..]);
            if (offset % PageSize != 0 || offset > long.MaxValue)
                throw reader.Error(MigrationErrorId.OffsetOutOfRange, $"A multifd page at 0x{offset:x} can't be.");
            _offsets[i] = (long)offset;
        }
    }
}
