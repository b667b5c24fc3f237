using System.Buffers.Binary;
using System.Text;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.VmState;

/// <summary>
/// Cuts the FULL sections of a foreign machine, which carry no lengths, so that they can be kept and sent on verbatim. The bytes
/// begin at the type byte of the first section and end before EOF, or go on with commands.
/// </summary>
static class SectionCutter
{
    const int FooterSize = 1 + 4;

    /// <summary>More sections than any machine has: one of 4096 vCPUs has four for each.</summary>
    public const int MaxSections = 1 << 16;

    // Sections are numbered from 0 as they are registered.
    const uint MaxLiveId = MaxSections - 1;

    /// <summary>
    /// By the description, as QEMU's analyze-migration does. Throws WrongFooter, UnknownSection, OutOfOrder, UnexpectedEnd, with
    /// the offset in the bytes: when one section does not fit there is nothing to be said of those behind it.
    /// </summary>
    /// <param name="bytes">The sections.</param>
    /// <param name="machine">What the description says.</param>
    /// <param name="hasFooters">False for machines up to 2.3, which send none.</param>
    /// <param name="first">How many described sections came earlier: those that QEMU sends before RAM (early_setup).</param>
    /// <param name="sender">Who is to blame.</param>
    public static DeviceRecord[] ByDescription(ReadOnlySpan<byte> bytes, DescribedMachine machine, bool hasFooters = true, int first = 0,
        MigrationSide sender = MigrationSide.Source)
    {
        var records = new List<DeviceRecord>();
        ByDescription(bytes, machine, records, hasFooters, first, sender);
        return [.. records];
    }

    /// <summary>The same; <paramref name="into"/> has those before the one that does not fit.</summary>
    public static void ByDescription(ReadOnlySpan<byte> bytes, DescribedMachine machine, ICollection<DeviceRecord> into, bool hasFooters,
        int first, MigrationSide sender)
    {
        var at = 0;
        if (first > machine.Devices.Length)
            throw Error(sender, MigrationErrorId.UnknownSection, at, $"{first} sections came before RAM, and the description lists {machine.Devices.Length} in all.");
        foreach (var device in machine.Devices.AsSpan(first))
        {
            if (!TryReadHeader(bytes[at..], out var section, out var headerSize) || (RecordType)bytes[at] != RecordType.SectionFull)
                throw Error(sender, MigrationErrorId.OutOfOrder, at, $"Section {Label(device)} was to come, and there is no header.");
            if (section.Name != device.Name || section.Instance != device.Instance)
                throw Error(sender, MigrationErrorId.UnknownSection, at,
                    $"Section {Label(device)} was to come, and there is {Printable.Text(section.Name)}/{section.Instance}.");
            var end = at + headerSize + device.BodySize;
            if (end + (hasFooters ? FooterSize : 0) > bytes.Length)
                throw Error(sender, MigrationErrorId.UnexpectedEnd, bytes.Length,
                    $"Section {Label(device)} has {device.BodySize} bytes, and the stream ends before that.");
            if (hasFooters && !IsFooter(bytes[(int)end..], section.Id))
                throw Error(sender, MigrationErrorId.WrongFooter, (int)end,
                    $"After the {device.BodySize} bytes that section {Label(device)} has by its description there is no footer of it.");
            var record = Record(bytes, section, at, headerSize, (int)end, hasFooters);
            into.Add(record);
            at += record.Length;
        }
        if (at != bytes.Length && (RecordType)bytes[at] == RecordType.SectionFull)
            throw Error(sender, MigrationErrorId.UnknownSection, at, "A section follows that the description does not list.");
    }

    /// <summary>
    /// By footers alone, for streams without a description: a body ends at the footer with its own id that is followed by the
    /// header of a section not yet seen, a part of a live section, a command, EOF, or the end of the bytes, which may be in the
    /// middle of a header. Throws WrongFooter, InvalidValue, InvalidLength. Linear: each body is searched once.
    /// </summary>
    /// <param name="bytes">The sections.</param>
    /// <param name="length">Bytes that the sections take; what follows is no section.</param>
    /// <param name="sender">Who is to blame.</param>
    public static DeviceRecord[] ByFooters(ReadOnlySpan<byte> bytes, out int length, MigrationSide sender = MigrationSide.Source)
    {
        var records = new List<DeviceRecord>();
        ByFooters(bytes, records, out length, sender);
        return [.. records];
    }

    /// <summary>The same; <paramref name="into"/> has those before the one that has no end.</summary>
    public static void ByFooters(ReadOnlySpan<byte> bytes, ICollection<DeviceRecord> into, out int length, MigrationSide sender)
    {
        var seen = new HashSet<uint>();
        length = 0;
        while (TryReadHeader(bytes[length..], out var section, out var headerSize))
        {
            // START looks the same, and is not for here.
            if ((RecordType)bytes[length] != RecordType.SectionFull) break;
            if (into.Count == MaxSections)
                throw Error(sender, MigrationErrorId.InvalidLength, length, $"More than {MaxSections} sections can't be.");
            if (!seen.Add(section.Id))
                throw Error(sender, MigrationErrorId.InvalidValue, length, $"Section number {section.Id} comes twice.");
            var end = FindFooter(bytes, length + headerSize, section.Id, seen);
            if (end < 0)
                throw Error(sender, MigrationErrorId.WrongFooter, length,
                    $"Section {Printable.Text(section.Name)}/{section.Instance} has no footer.");
            var record = Record(bytes, section, length, headerSize, end, hasFooter: true);
            into.Add(record);
            length += record.Length;
        }
    }

    static int FindFooter(ReadOnlySpan<byte> bytes, int from, uint id, HashSet<uint> seen)
    {
        Span<byte> footer = stackalloc byte[FooterSize];
        footer[0] = (byte)RecordType.Footer;
        BinaryPrimitives.WriteUInt32BigEndian(footer[1..], id);
        for (var at = from; ; at++)
        {
            var found = bytes[at..].IndexOf(footer);
            if (found < 0) return -1;
            at += found;
            if (IsPlausible(bytes[(at + FooterSize)..], seen)) return at;
        }
    }

    /// <summary>Whether that can follow a footer.</summary>
    static bool IsPlausible(ReadOnlySpan<byte> rest, HashSet<uint> seen)
    {
        if (rest.IsEmpty) return true;
        return (RecordType)rest[0] switch
        {
            RecordType.Eof => rest.Length == 1 || (RecordType)rest[1] == RecordType.VmDescription,
            RecordType.Command => rest.Length >= 5
                && (CommandType)BinaryPrimitives.ReadUInt16BigEndian(rest[1..]) is > CommandType.Invalid and <= CommandType.SwitchoverStart
                && BinaryPrimitives.ReadUInt16BigEndian(rest[3..]) <= rest.Length - 5,
            RecordType.SectionPart or RecordType.SectionEnd => rest.Length >= 5
                && BinaryPrimitives.ReadUInt32BigEndian(rest[1..]) <= MaxLiveId,
            _ => TryReadHeader(rest, out var next, out _)
                ? !seen.Contains(next.Id) && next.Version <= ushort.MaxValue
                : IsCutOffHeader(rest),
        };
    }

    /// <summary>The beginning of a header, and no more bytes.</summary>
    static bool IsCutOffHeader(ReadOnlySpan<byte> rest) =>
        (RecordType)rest[0] is RecordType.SectionFull or RecordType.SectionStart
        && (rest.Length < 6 || (rest.Length < 6 + rest[5] + 8
            && !rest.Slice(6, Math.Min(rest[5], rest.Length - 6)).ContainsAnyExceptInRange((byte)' ', (byte)'~')));

    /// <summary>The header of a START or FULL section whose name is one: 1 to 255 printable ASCII characters.</summary>
    static bool TryReadHeader(ReadOnlySpan<byte> bytes, out SectionHeader section, out int size)
    {
        (section, size) = (default, 0);
        if (bytes.Length < 6 || (RecordType)bytes[0] is not (RecordType.SectionFull or RecordType.SectionStart)) return false;
        var nameLength = bytes[5];
        size = 6 + nameLength + 8;
        if (nameLength == 0 || bytes.Length < size) return false;
        var name = bytes.Slice(6, nameLength);
        if (name.ContainsAnyExceptInRange((byte)' ', (byte)'~')) return false;
        var numbers = bytes[(6 + nameLength)..];
        section = new SectionHeader(BinaryPrimitives.ReadUInt32BigEndian(bytes[1..]), Encoding.ASCII.GetString(name),
            BinaryPrimitives.ReadUInt32BigEndian(numbers), BinaryPrimitives.ReadUInt32BigEndian(numbers[4..]));
        return true;
    }

    static bool IsFooter(ReadOnlySpan<byte> bytes, uint id) =>
        (RecordType)bytes[0] == RecordType.Footer && BinaryPrimitives.ReadUInt32BigEndian(bytes[1..]) == id;

    static DeviceRecord Record(ReadOnlySpan<byte> bytes, SectionHeader section, int at, int headerSize, int end, bool hasFooter) =>
        new(section.Id, section.Name, section.Instance, section.Version, bytes[(at + headerSize)..end].ToArray())
        {
            Offset = at,
            Length = end - at + (hasFooter ? FooterSize : 0),
            BodyOffset = at + headerSize,
        };

    static string Label(DescribedDevice device) => $"{Printable.Text(device.Name)}/{device.Instance}";

    static MigrationException Error(MigrationSide sender, MigrationErrorId id, int at, string message) =>
        new(id, sender, message) { StreamOffset = at };
}
