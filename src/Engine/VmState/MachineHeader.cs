using System.Buffers.Binary;
using System.Text;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.VmState;

/// <summary>Writes the beginning of a stream with CONFIGURATION and its subsections (vmstate_configuration of QEMU).</summary>
static class MachineHeader
{
    /// <summary>The subsection that names the capabilities on which both ends have to agree.</summary>
    public const string Capabilities = "configuration/capabilities";

    /// <summary>The capability of files with a place for each page.</summary>
    public const string MappedRam = "mapped-ram";

    const string PageBits = "configuration/target-page-bits";

    /// <summary>
    /// The subsections as they came, but for the capabilities: those describe the stream that came, and this one is another. All of
    /// RAM goes, so mapped-ram is the only one that can be on.
    /// </summary>
    public static void Write(WireWriter writer, string machine, IReadOnlyList<CapturedConfiguration> subsections, bool isMapped)
    {
        StreamHeader.Write(writer, machine);
        foreach (var subsection in subsections.Where(subsection => subsection.Name == PageBits)) Write(writer, subsection);
        if (isMapped) Write(writer, new CapturedConfiguration(Capabilities, 1, One(MappedRam)));
        foreach (var subsection in subsections.Where(subsection => subsection.Name is not (PageBits or Capabilities))) Write(writer, subsection);
    }

    static void Write(WireWriter writer, CapturedConfiguration subsection)
    {
        writer.Byte((byte)RecordType.Subsection);
        writer.Name(subsection.Name);
        writer.UInt32(subsection.Version);
        writer.Bytes(subsection.Body);
    }

    static byte[] One(string capability)
    {
        var body = new byte[4 + 1 + capability.Length];
        BinaryPrimitives.WriteUInt32BigEndian(body, 1);
        body[4] = (byte)capability.Length;
        Encoding.ASCII.GetBytes(capability, body.AsSpan(5));
        return body;
    }
}
