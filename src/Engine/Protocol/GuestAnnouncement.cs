using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Protocol;

/// <summary>
/// The early section <c>psmigrate/guest</c>, version 1, that tells a destination of ours who comes before any page does:
/// <c>u8 flags, name, 16 bytes guest uuid, 16 bytes migration id, u64 memory, u16 vCPUs</c>.
/// </summary>
/// <param name="Name">The guest's name.</param>
/// <param name="Uuid">The guest's uuid.</param>
/// <param name="MigrationUuid">The migration, for the handover and for questions after a lost link.</param>
/// <param name="MemorySize">Bytes of RAM.</param>
/// <param name="ProcessorCount">vCPUs whose state will follow.</param>
/// <param name="Verify">Whether READY shall carry a digest.</param>
sealed record GuestAnnouncement(string Name, Guid Uuid, Guid MigrationUuid, long MemorySize, int ProcessorCount, bool Verify)
{
    public const string Section = "psmigrate/guest";
    public const uint Version = 1;

    /// <summary>The most vCPUs that a guest can have.</summary>
    public const int MaxProcessors = 64;

    const byte VerifyFlag = 1;

    public void Write(WireWriter writer)
    {
        writer.Byte(Verify ? VerifyFlag : (byte)0);
        writer.Name(Name);
        writer.Bytes(Uuid.ToByteArray());
        writer.Bytes(MigrationUuid.ToByteArray());
        writer.UInt64((ulong)MemorySize);
        writer.UInt16((ushort)ProcessorCount);
    }

    public static GuestAnnouncement Read(WireReader reader)
    {
        var flags = reader.Byte();
        if ((flags & ~VerifyFlag) != 0) throw reader.Error(MigrationErrorId.InvalidValue, $"{Section}: flags 0x{flags:x2} are not known.");
        var name = reader.Name();
        var uuid = new Guid(reader.Bytes(16));
        var migration = new Guid(reader.Bytes(16));
        var size = reader.UInt64();
        if (size is 0 or > long.MaxValue) throw reader.Error(MigrationErrorId.InvalidValue, $"{Section}: a memory of {size} bytes can't be.");
        var processors = reader.UInt16();
        if (processors > MaxProcessors)
            throw reader.Error(MigrationErrorId.InvalidValue, $"{Section}: {processors} vCPUs are more than {MaxProcessors}.");
        return new GuestAnnouncement(name, uuid, migration, (long)size, processors, (flags & VerifyFlag) != 0);
    }
}
