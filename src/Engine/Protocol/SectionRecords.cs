using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Protocol;

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
