using System.Buffers.Binary;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Protocol;

/// <summary>The first packet of a multifd channel, 64 bytes (MultiFDInit_t of migration/multifd.h).</summary>
/// <param name="Uuid">The guest's, as -uuid gives it; zero without.</param>
/// <param name="Channel">The number of the channel, 0 to N−1, in no particular order.</param>
readonly record struct MultifdInit(Guid Uuid, byte Channel)
{
    /// <summary>The first four bytes of this packet and of every other one of the channel.</summary>
    public const uint Magic = 0x11223344;

    /// <summary>The only version in use.</summary>
    public const uint Version = 1;

    /// <summary>Bytes of the packet.</summary>
    public const int Size = 64;

    // Behind the number: seven bytes and four words that nobody uses.
    const int Unused = 7 + (4 * 8);

    /// <summary>Throws BadMagic, UnsupportedVersion.</summary>
    public static MultifdInit Read(WireReader reader)
    {
        CheckMagic(reader, reader.UInt32());
        CheckVersion(reader, reader.UInt32());
        Span<byte> uuid = stackalloc byte[16];
        reader.Bytes(uuid);
        var channel = reader.Byte();
        reader.Peek(Unused);
        reader.Skip(Unused);
        return new(new Guid(uuid, bigEndian: true), channel);
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
