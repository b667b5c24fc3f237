using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Protocol;

/// <summary>The beginning of a stream: <c>u32 magic, u32 version</c>, then the CONFIGURATION record.</summary>
static class StreamHeader
{
    /// <summary>Machine names are short; this bounds what a hostile one can make us hold.</summary>
    const int MaxMachineName = 255;

    public static void Write(WireWriter writer, string machine)
    {
        writer.UInt32(StreamConstants.Magic);
        writer.UInt32(StreamConstants.Version);
        writer.Byte((byte)RecordType.Configuration);
        var name = System.Text.Encoding.UTF8.GetBytes(machine);
        writer.UInt32((uint)name.Length);
        writer.Bytes(name);
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

    /// <summary>
    /// The CONFIGURATION record. As in QEMU a prefix of our machine's name is accepted. Throws WrongMachine, UnknownRecord.
    /// </summary>
    public static void ReadConfiguration(WireReader reader, string machine)
    {
        var type = (RecordType)reader.Byte();
        if (type != RecordType.Configuration)
            throw reader.Error(MigrationErrorId.OutOfOrder, $"A configuration was expected, and there is record 0x{(byte)type:x2}.");
        var length = reader.UInt32();
        if (length > MaxMachineName)
            throw reader.Error(MigrationErrorId.InvalidLength, $"A machine name of {length} bytes can't be.");
        var name = System.Text.Encoding.UTF8.GetString(reader.Bytes((int)length));
        if (!machine.StartsWith(name, StringComparison.Ordinal))
            throw reader.Error(MigrationErrorId.WrongMachine, $"The stream is of a machine '{Printable.Text(name)}', and this is '{machine}'.");
        while ((RecordType)reader.Peek(1)[0] == RecordType.Subsection) ReadSubsection(reader);
    }

    static void ReadSubsection(WireReader reader)
    {
        reader.Skip(1);
        var name = reader.Name();
        var version = reader.UInt32();
        switch (name)
        {
            case "configuration/target-page-bits" when version == 1:
                var bits = reader.UInt32();
                if (bits != 12) throw reader.Error(MigrationErrorId.InvalidValue, $"Pages of 2^{bits} bytes are not supported, only 2^12.");
                break;
            case "configuration/uuid" when version == 1:
                reader.Bytes(16);
                break;
            case "configuration/capabilities" when version == 1:
                var count = reader.UInt32();
                if (count > 0)
                    throw reader.Error(MigrationErrorId.UnsupportedFeature, $"The source insists on capability '{Printable.Text(reader.Name())}'.");
                break;
            default:
                throw reader.Error(MigrationErrorId.UnknownSection, $"Configuration subsection '{Printable.Text(name)}' is not known.");
        }
    }
}

/// <summary>START and FULL: <c>u8 type, u32 section id, name, u32 instance, u32 version</c>; PART and END: <c>u8 type, u32 id</c>.</summary>
readonly record struct SectionHeader(uint Id, string Name, uint Instance, uint Version)
{
    /// <summary>START or FULL.</summary>
    public void WriteNamed(WireWriter writer, RecordType type)
    {
        writer.Byte((byte)type);
        writer.UInt32(Id);
        writer.Name(Name);
        writer.UInt32(Instance);
        writer.UInt32(Version);
    }

    /// <summary>PART or END.</summary>
    public void WriteBare(WireWriter writer, RecordType type)
    {
        writer.Byte((byte)type);
        writer.UInt32(Id);
    }

    public void WriteFooter(WireWriter writer)
    {
        writer.Byte((byte)RecordType.Footer);
        writer.UInt32(Id);
    }

    /// <summary>Of a START or FULL, after its type.</summary>
    public static SectionHeader Read(WireReader reader) => new(reader.UInt32(), reader.Name(), reader.UInt32(), reader.UInt32());

    /// <summary>Throws WrongFooter unless this section's footer comes next.</summary>
    public void ReadFooter(WireReader reader)
    {
        var type = (RecordType)reader.Byte();
        if (type != RecordType.Footer)
            throw reader.Error(MigrationErrorId.WrongFooter, $"Section {Printable.Text(Name)} has no footer, but 0x{(byte)type:x2}.");
        var id = reader.UInt32();
        if (id != Id)
            throw reader.Error(MigrationErrorId.WrongFooter, $"The footer of section {Printable.Text(Name)} says {id} instead of {Id}.");
    }
}

/// <summary>Text from the wire in a message: short and without control characters.</summary>
static class Printable
{
    public static string Text(string text, int most = 80) =>
        string.Concat(text.Take(most).Select(c => char.IsControl(c) ? '?' : c)) + (text.Length > most ? "…" : "");
}
