using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.VmState;

/// <summary>
/// The body of a device's section, as QEMU's vmstate_save_state writes it: the fields one after the other, then each
/// needed subsection as <c>05, name, u32 version, fields</c>. There are no lengths and no tags besides.
/// </summary>
static class DeviceSection
{
    public static void WriteBody(WireWriter writer, StateDescription description)
    {
        foreach (var field in description.Fields) writer.Integer(field.Get(), field.Size);
        foreach (var subsection in description.Subsections)
        {
            if (subsection.Needed?.Invoke() == false) continue;
            writer.Byte((byte)RecordType.Subsection);
            writer.Name(subsection.Name);
            writer.UInt32(subsection.Version);
            WriteBody(writer, subsection);
        }
    }

    /// <summary>Reads what <see cref="WriteBody"/> wrote. Throws UnknownSection, UnsupportedSectionVersion, InvalidValue.</summary>
    public static void ReadBody(WireReader reader, IDeviceState device)
    {
        ReadFields(reader, device.Description);
        try
        {
            device.CheckLoaded();
        }
        catch (MigrationException e)
        {
            throw reader.Error(e.Id, e.Message);
        }
    }

    static void ReadFields(WireReader reader, StateDescription description)
    {
        foreach (var field in description.Fields) field.Set(reader.Integer(field.Size));
        var seen = 0;
        while ((RecordType)reader.Peek(1)[0] == RecordType.Subsection)
        {
            reader.Skip(1);
            var name = reader.Name();
            var version = reader.UInt32();
            // In the order of the description, each once: a hostile stream can't repeat one for ever.
            while (seen < description.Subsections.Count && description.Subsections[seen].Name != name) seen++;
            if (seen == description.Subsections.Count)
                throw reader.Error(MigrationErrorId.UnknownSection, $"Subsection '{Printable.Text(name)}' is not known here.");
            CheckVersion(reader, description.Subsections[seen], version);
            ReadFields(reader, description.Subsections[seen++]);
        }
    }

    public static void CheckVersion(WireReader reader, StateDescription description, uint version)
    {
        if (version != description.Version)
            throw reader.Error(MigrationErrorId.UnsupportedSectionVersion,
                $"{description.Name} version {version} is not supported, only {description.Version}.");
    }
}
