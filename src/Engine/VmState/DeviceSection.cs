using System.Numerics;
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
        // By index: an enumerator would be allocated while the guest stands.
        for (var i = 0; i < description.Fields.Count; i++) writer.Integer(description.Fields[i].Get(), description.Fields[i].Size);
        for (var i = 0; i < description.Subsections.Count; i++)
        {
            var subsection = description.Subsections[i];
            if (subsection.Needed?.Invoke() == false) continue;
            writer.Byte((byte)RecordType.Subsection);
            writer.Name(subsection.Name);
            writer.UInt32(subsection.Version);
            WriteBody(writer, subsection);
        }
    }

    /// <summary>Which subsections are sent now, one bit each, behind those of <paramref name="before"/>.</summary>
    public static ulong NeededSubsections(StateDescription description, ulong before)
    {
        for (var i = 0; i < description.Subsections.Count; i++)
        {
            var subsection = description.Subsections[i];
            before = BitOperations.RotateLeft(before, 1);
            if (subsection.Needed?.Invoke() != false) before = NeededSubsections(subsection, before ^ 1);
        }
        return before;
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
        for (var i = 0; i < description.Fields.Count; i++) description.Fields[i].Set(reader.Integer(description.Fields[i].Size));
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
