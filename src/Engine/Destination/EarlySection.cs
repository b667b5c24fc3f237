using System.Buffers;
using System.Buffers.Binary;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// FULL sections before the data of RAM (early_setup of QEMU 8.0 and later: virtio-mem). The description that tells their size comes at
/// the very end; until then the end of one is its footer with a record behind it that can follow there. The description, when it has
/// come, confirms the cut (<see cref="CapturedArrival"/>).
/// </summary>
static class EarlySection
{
    // A virtio-mem of 16 TiB in blocks of 2 MiB has a bitmap of 1 MiB.
    const int MaxBody = 4 << 20;

    const int FooterSize = 1 + 4;

    // START or FULL with the longest name; behind an early section RAM comes, so that there are always as many bytes.
    const int MaxHeader = 1 + 4 + 1 + StreamConstants.MaxName + 4 + 4;

    /// <summary>Reads body and footer. Throws WrongFooter, InvalidLength, UnexpectedEnd.</summary>
    /// <param name="reader">Behind the header.</param>
    /// <param name="section">The header.</param>
    /// <param name="ram">The number of the ram section, when it has begun.</param>
    /// <param name="memory">Counts the bytes.</param>
    public static CapturedSection Read(WireReader reader, SectionHeader section, uint? ram, IncomingMemory memory)
    {
        var body = new ArrayBufferWriter<byte>();
        while (true)
        {
            var seen = reader.Peek(FooterSize + 1 + 4);
            var at = seen.IndexOf((byte)RecordType.Footer);
            var plain = at < 0 ? seen.Length : at;
            if (body.WrittenCount + plain > MaxBody)
                throw reader.Error(MigrationErrorId.InvalidLength, $"Section '{Printable.Text(section.Name)}' has no footer within {MaxBody} bytes.");
            memory.Hold(plain);
            body.Write(seen[..plain]);
            reader.Skip(plain);
            if (at < 0) continue;
            if (IsEnd(reader, section.Id, ram))
            {
                reader.Skip(FooterSize);
                return new CapturedSection(section.Id, section.Name, section.Instance, section.Version, body.WrittenSpan.ToArray());
            }
            body.Write([reader.Byte()]);
        }
    }

    static bool IsEnd(WireReader reader, uint id, uint? ram)
    {
        var seen = reader.Peek(FooterSize + 1 + 4);
        if (BinaryPrimitives.ReadUInt32BigEndian(seen[1..]) != id) return false;
        var number = BinaryPrimitives.ReadUInt32BigEndian(seen[(FooterSize + 1)..]);
        return (RecordType)seen[FooterSize] switch
        {
            RecordType.SectionPart or RecordType.SectionEnd => number == ram,
            RecordType.SectionStart or RecordType.SectionFull => number != id && IsHeader(reader.Peek(FooterSize + MaxHeader)[FooterSize..]),
            // A command and its length.
            RecordType.Command => number >> 16 is > 0 and <= (uint)CommandType.SwitchoverStart && (number & 0xFFFF) <= 0xFFF,
            _ => false,
        };
    }

    static bool IsHeader(ReadOnlySpan<byte> header)
    {
        var name = header.Slice(6, header[5]);
        return !name.IsEmpty && !name.ContainsAnyExceptInRange((byte)' ', (byte)'~');
    }
}
