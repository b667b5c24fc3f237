using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Protocol;

/// <summary>The beginning of a stream: <c>u32 magic, u32 version</c>, then the CONFIGURATION record.</summary>
static class StreamHeader
{
    public static void Write(WireWriter writer, string machine)
    {
        writer.UInt32(StreamConstants.Magic);
        writer.UInt32(StreamConstants.Version);
        new ConfigurationRecord(machine, []).Write(writer);
    }

    /// <summary>Magic and version. Throws BadMagic, UnsupportedVersion.</summary>
    public static void ReadMagic(WireReader reader)
    {
        var magic = reader.UInt32();
        if (magic != StreamConstants.Magic)
            throw reader.Error(MigrationErrorId.BadMagic, $"This is no migration stream: it begins with 0x{magic:x8}.");
        var version = reader.UInt32();
        if (version != StreamConstants.Version)
            throw reader.Error(MigrationErrorId.UnsupportedVersion, $"Stream version {version} is not supported, only {StreamConstants.Version}.");
    }
}
