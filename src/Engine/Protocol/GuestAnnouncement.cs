using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Protocol;

/// <summary>
/// The early section <c>psmigrate/guest</c>, version 1, that tells a destination of ours who comes before any page does:
/// <c>u8 flags, name, 16 bytes guest uuid, 16 bytes migration id, u64 memory, u16 vCPUs[, u8 channels]</c>.
/// </summary>
/// <param name="Name">The guest's name.</param>
/// <param name="Uuid">The guest's uuid.</param>
/// <param name="MigrationUuid">The migration, for the handover and for questions after a lost link.</param>
/// <param name="MemorySize">Bytes of RAM.</param>
/// <param name="ProcessorCount">vCPUs whose state will follow.</param>
/// <param name="Verify">Whether READY shall carry a digest.</param>
/// <param name="Channels">
/// How many multifd channels come, so that the destination need not wait whether one more does; 0 for none, and where the extension
/// is not of <see cref="Handshake.AnnouncedChannelsVersion"/> and does not tell.
/// </param>
sealed record GuestAnnouncement(string Name, Guid Uuid, Guid MigrationUuid, long MemorySize, int ProcessorCount, bool Verify, byte Channels = 0)
{
    public const string Section = "psmigrate/guest";
    public const uint Version = 1;

    /// <summary>The most vCPUs that a guest can have.</summary>
    public const int MaxProcessors = 64;

    const byte VerifyFlag = 1;
    const byte ChannelsFlag = 2;

    public void Write(WireWriter writer)
    {
        writer.Byte((byte)((Verify ? VerifyFlag : 0) | (Channels > 0 ? ChannelsFlag : 0)));
        writer.Name(Name);
        writer.Bytes(Uuid.ToByteArray());
        writer.Bytes(MigrationUuid.ToByteArray());
        writer.UInt64((ulong)MemorySize);
        writer.UInt16((ushort)ProcessorCount);
        if (Channels > 0) writer.Byte(Channels);
    }

    public static GuestAnnouncement Read(WireReader reader)
    {
        var flags = reader.Byte();
        if ((flags & ~(VerifyFlag | ChannelsFlag)) != 0) throw reader.Error(MigrationErrorId.InvalidValue, $"{Section}: flags 0x{flags:x2} are not known.");
        var name = reader.Name();
        var uuid = new Guid(reader.Bytes(16));
        var migration = new Guid(reader.Bytes(16));
        var size = reader.UInt64();
        if (size is 0 or > long.MaxValue) throw reader.Error(MigrationErrorId.InvalidValue, $"{Section}: a memory of {size} bytes can't be.");
        var processors = reader.UInt16();
        if (processors > MaxProcessors)
            throw reader.Error(MigrationErrorId.InvalidValue, $"{Section}: {processors} vCPUs are more than {MaxProcessors}.");
        var channels = (flags & ChannelsFlag) != 0 ? reader.Byte() : (byte)0;
        if ((flags & ChannelsFlag) != 0 && channels == 0) throw reader.Error(MigrationErrorId.InvalidValue, $"{Section}: no channels can't be announced.");
        return new GuestAnnouncement(name, uuid, migration, (long)size, processors, (flags & VerifyFlag) != 0, channels);
    }
}
