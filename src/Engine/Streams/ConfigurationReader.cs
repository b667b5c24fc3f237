using System.Text;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Streams;

/// <summary>Reads what a stream begins with.</summary>
static class ConfigurationReader
{
    const uint MultifdMagic = 0x11223344;
    const int MaxMachineName = 255;
    const int MaxCapabilities = 256;

    /// <summary>Magic and version; gives the version. Throws BadMagic, UnsupportedVersion.</summary>
    public static uint ReadHeader(StreamFile file)
    {
        var magic = file.UInt32();
        if (magic != StreamConstants.Magic)
        {
            var what = magic == MultifdMagic ? "This is a channel of multifd; the main channel begins with QEVM."
                : $"This is no migration stream: it begins with 0x{magic:x8} instead of QEVM.";
            throw file.ErrorAt(file.Position - 4, MigrationErrorId.BadMagic, what);
        }
        var version = file.UInt32();
        return version == StreamConstants.Version ? version
            : throw file.ErrorAt(file.Position - 4, MigrationErrorId.UnsupportedVersion,
                $"Stream version {version} is not supported, only {StreamConstants.Version}.");
    }

    /// <summary>The CONFIGURATION record, after its type byte. Throws InvalidLength, UnknownSection.</summary>
    public static StreamConfiguration Read(StreamFile file)
    {
        var offset = file.Position - 1;
        file.Where = "the configuration";
        var length = file.UInt32();
        if (length > MaxMachineName) throw file.Error(MigrationErrorId.InvalidLength, $"A machine name of {length} bytes can't be.");
        var configuration = new StreamConfiguration(offset, Encoding.UTF8.GetString(file.Bytes((int)length)), [], null, 12);
        while (file.PeekUpTo(1) is [(byte)RecordType.Subsection])
        {
            file.Skip(1);
            var name = file.Name();
            _ = file.UInt32();
            configuration = name switch
            {
                "configuration/target-page-bits" => configuration with { PageBits = (int)file.UInt32() },
                "configuration/uuid" => configuration with { Uuid = new Guid(file.Bytes(16), bigEndian: true) },
                "configuration/capabilities" => configuration with { Capabilities = ReadCapabilities(file) },
                _ => throw file.Error(MigrationErrorId.UnknownSection, $"Configuration subsection '{Printable.Text(name)}' is not known."),
            };
        }
        if (configuration.PageBits != 12)
            throw file.Error(MigrationErrorId.UnsupportedFeature,
                $"Pages of 2^{configuration.PageBits} bytes are not supported, only 2^12.");
        return configuration;
    }

    static string[] ReadCapabilities(StreamFile file)
    {
        var count = file.UInt32();
        if (count > MaxCapabilities) throw file.Error(MigrationErrorId.InvalidLength, $"{count} capabilities can't be.");
        var names = new string[count];
        for (var i = 0; i < names.Length; i++) names[i] = file.Name();
        return names;
    }
}
