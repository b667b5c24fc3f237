using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Protocol;

/// <summary>The beginning of a stream: <c>u32 magic, u32 version</c>, then the CONFIGURATION record.</summary>
static class StreamHeader
{
    public static void Write(WireWriter writer, string machine) => Write(writer, new ConfigurationRecord(machine, []));

    /// <summary>A machine without a name is one of 2.3 or older, which has no CONFIGURATION.</summary>
    public static void Write(WireWriter writer, ConfigurationRecord configuration)
    {
        writer.UInt32(StreamConstants.Magic);
        writer.UInt32(StreamConstants.Version);
        if (configuration.Machine.Length > 0) configuration.Write(writer);
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
