using System.Buffers.Binary;
using System.Text;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Protocol;

/// <summary>
/// The CONFIGURATION record (vmstate_configuration of QEMU): <c>07, u32 length, machine type</c>, then subsections. Machines up to
/// 2.3 send none; then <see cref="Machine"/> is empty.
/// </summary>
/// <param name="Machine">The versioned machine type, for example pc-i440fx-7.2.</param>
/// <param name="Subsections">In the order of the stream.</param>
sealed record ConfigurationRecord(string Machine, ConfigurationSubsection[] Subsections)
{
    /// <summary>The capability of files with a place for each page.</summary>
    public const string MappedRam = "mapped-ram";

    const string PageBits = "configuration/target-page-bits";
    const string Capabilities = "configuration/capabilities";
    const string MachineUuid = "configuration/uuid";

    // Machine names are short; this bounds what a hostile one can make us hold.
    const int MaxMachineName = 255;

    // Each of the three can come once.
    const int MaxSubsections = 3;

    const int MaxCapabilities = 64;

    /// <summary>The guest's uuid, which a source with validate-uuid sends; else null.</summary>
    public Guid? Uuid => Array.Find(Subsections, one => one.Name == MachineUuid) is { } uuid ? new Guid(uuid.Body, bigEndian: true) : null;

    /// <summary>Whether the stream is a file with a place for each page.</summary>
    public bool IsMapped => Array.Exists(Subsections, one => one.Name == Capabilities && one.Body.AsSpan().IndexOf(Encoding.ASCII.GetBytes(MappedRam)) >= 0);

    /// <summary>
    /// The same machine for another stream: the capabilities belong to the one that came. All of RAM goes, so mapped-ram is the only one
    /// that can be on.
    /// </summary>
    public ConfigurationRecord ForStream(bool isMapped)
    {
        ConfigurationSubsection[] capabilities = isMapped ? [new ConfigurationSubsection(Capabilities, 1, OnlyMappedRam())] : [];
        return this with
        {
            Subsections =
            [
                .. Subsections.Where(one => one.Name == PageBits), .. capabilities,
                .. Subsections.Where(one => one.Name is not (PageBits or Capabilities)),
            ],
        };
    }

    public void Write(WireWriter writer)
    {
        writer.Byte((byte)RecordType.Configuration);
        var name = Encoding.UTF8.GetBytes(Machine);
        writer.UInt32((uint)name.Length);
        writer.Bytes(name);
        foreach (var subsection in Subsections)
        {
            writer.Byte((byte)RecordType.Subsection);
            writer.Name(subsection.Name);
            writer.UInt32(subsection.Version);
            writer.Bytes(subsection.Body);
        }
    }

    /// <summary>
    /// Reads one if it comes next. A subsection that is not known has no length that could be known, so it ends the migration. Throws
    /// InvalidLength, UnknownSection, InvalidValue, and UnsupportedFeature for a capability that is not among
    /// <paramref name="capabilities"/>: the source lists those only that both ends must have.
    /// </summary>
    public static ConfigurationRecord Read(WireReader reader, params string[] capabilities)
    {
        if ((RecordType)reader.Peek(1)[0] != RecordType.Configuration) return new ConfigurationRecord("", []);
        reader.Skip(1);
        var length = reader.UInt32();
        if (length > MaxMachineName)
            throw reader.Error(MigrationErrorId.InvalidLength, $"A machine name of {length} bytes can't be.");
        var machine = reader.Text((int)length);
        var subsections = new List<ConfigurationSubsection>();
        while ((RecordType)reader.Peek(1)[0] == RecordType.Subsection)
        {
            reader.Skip(1);
            var (name, version) = (reader.Name(), reader.UInt32());
            if (subsections.Count == MaxSubsections || subsections.Exists(one => one.Name == name))
                throw reader.Error(MigrationErrorId.OutOfOrder, $"Configuration subsection '{Printable.Text(name)}' comes twice.");
            subsections.Add(new ConfigurationSubsection(name, version, ReadBody(reader, name, version, capabilities)));
        }
        return new ConfigurationRecord(machine, [.. subsections]);
    }

    static byte[] ReadBody(WireReader reader, string name, uint version, string[] capabilities)
    {
        switch (name)
        {
            case PageBits when version == 1:
                var bits = reader.Bytes(4);
                if (BinaryPrimitives.ReadUInt32BigEndian(bits) != 12)
                    throw reader.Error(MigrationErrorId.InvalidValue, $"Pages of 2^{BinaryPrimitives.ReadUInt32BigEndian(bits)} bytes are not supported, only 2^12.");
                return bits;
            case MachineUuid when version == 1:
                return reader.Bytes(16);
            case Capabilities when version == 1:
                return ReadCapabilities(reader, capabilities);
            default:
                throw reader.Error(MigrationErrorId.UnknownSection, $"Configuration subsection '{Printable.Text(name)}' version {version} is not known.");
        }
    }

    static byte[] OnlyMappedRam()
    {
        var body = new byte[4 + 1 + MappedRam.Length];
        BinaryPrimitives.WriteUInt32BigEndian(body, 1);
        body[4] = (byte)MappedRam.Length;
        Encoding.ASCII.GetBytes(MappedRam, body.AsSpan(5));
        return body;
    }

    static byte[] ReadCapabilities(WireReader reader, string[] capabilities)
    {
        var body = new List<byte>(reader.Bytes(4));
        var count = BinaryPrimitives.ReadUInt32BigEndian(body.ToArray());
        for (var i = 0; i < count; i++)
        {
            var name = reader.Name();
            if (!capabilities.Contains(name))
                throw reader.Error(MigrationErrorId.UnsupportedFeature,
                    $"The source insists on capability '{Printable.Text(name)}', which can't be had over this link; switch it off there (migrate_set_capability {Printable.Text(name)} off).");
            if (i == MaxCapabilities) throw reader.Error(MigrationErrorId.InvalidLength, $"{count} capabilities can't be.");
            var bytes = Encoding.UTF8.GetBytes(name);
            body.Add((byte)bytes.Length);
            body.AddRange(bytes);
        }
        return [.. body];
    }
}

/// <summary>One subsection: <c>05, name, u32 version</c>, fields.</summary>
/// <param name="Name">For example configuration/uuid.</param>
/// <param name="Version">Of the subsection.</param>
/// <param name="Body">Its fields.</param>
sealed record ConfigurationSubsection(string Name, uint Version, byte[] Body);
