using System.Buffers.Binary;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Protocol;

/// <summary>The first packet of a multifd channel, 64 bytes (MultiFDInit_t of migration/multifd.h).</summary>
/// <param name="Uuid">The guest's, as -uuid gives it; zero without.</param>
/// <param name="Channel">The number of the channel, 0 to N−1, in no particular order.</param>
/// <param name="Migration">
/// The migration that it belongs to, where a source of ours says so (<see cref="Handshake"/>); null of anybody else. It lies in what is reserved
/// in the packet, which a QEMU sends as zeros and does not look at.
/// </param>
readonly record struct MultifdInit(Guid Uuid, byte Channel, Guid? Migration = null)
{
    /// <summary>The first four bytes of this packet and of every other one of the channel.</summary>
    public const uint Magic = 0x11223344;

    /// <summary>The only version in use.</summary>
    public const uint Version = 1;

    /// <summary>Bytes of the packet.</summary>
    public const int Size = 64;

    // Behind the number: seven bytes, in which a source of ours says that an id follows, and four words, the id in the first two.
    const int Reserved = MarkSize + (4 * 8);
    const int MarkSize = 7;
    const int MarkAt = Size - Reserved;
    const int IdAt = MarkAt + MarkSize;
    const int IdSize = 16;

    static ReadOnlySpan<byte> Mark => "PSM\0\0\0\0"u8;

    /// <summary>Throws BadMagic, UnsupportedVersion.</summary>
    public static MultifdInit Read(WireReader reader)
    {
        CheckMagic(reader, reader.UInt32());
        CheckVersion(reader, reader.UInt32());
        Span<byte> uuid = stackalloc byte[16];
        reader.Bytes(uuid);
        var channel = reader.Byte();
        var reserved = reader.Peek(Reserved);
        Guid? migration = reserved[..MarkSize].SequenceEqual(Mark) ? new Guid(reserved.Slice(MarkSize, IdSize)) : null;
        reader.Skip(Reserved);
        return new(new Guid(uuid, bigEndian: true), channel, migration);
    }

    /// <summary>Writes all 64 bytes.</summary>
    public void Write(WireWriter writer)
    {
        Span<byte> packet = stackalloc byte[Size];
        packet.Clear();
        BinaryPrimitives.WriteUInt32BigEndian(packet, Magic);
        BinaryPrimitives.WriteUInt32BigEndian(packet[4..], Version);
        Uuid.TryWriteBytes(packet[8..], bigEndian: true, out _);
        packet[24] = Channel;
        if (Migration is { } migration)
        {
            Mark.CopyTo(packet[MarkAt..]);
            migration.TryWriteBytes(packet[IdAt..]);
        }
        writer.Bytes(packet);
    }

    internal static void CheckMagic(WireReader reader, uint magic)
    {
        if (magic != Magic) throw reader.Error(MigrationErrorId.BadMagic, $"A multifd packet can't begin with 0x{magic:x8}.");
    }

    internal static void CheckVersion(WireReader reader, uint version)
    {
        if (version != Version)
            throw reader.Error(MigrationErrorId.UnsupportedVersion, $"Multifd version {version} is not supported, only {Version}.");
    }
}
