using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Streams;

/// <summary>A section as it stands in the stream.</summary>
/// <param name="Type">START, PART, END or FULL.</param>
/// <param name="Id">The number that the sender gave it.</param>
/// <param name="Name">Its idstr; of PART and END that of their START.</param>
/// <param name="Instance">Its instance id.</param>
/// <param name="Version">Its version id.</param>
/// <param name="Offset">Where its type byte is.</param>
/// <param name="Length">Bytes with header and footer.</param>
/// <param name="Pages">RAM pages in it, of all kinds.</param>
/// <param name="InPackage">Whether it is part of a postcopy package.</param>
public sealed record StreamSection(
    StreamSectionType Type, uint Id, string Name, uint Instance, uint Version, long Offset, long Length, long Pages, bool InPackage);

/// <summary>The kinds of sections.</summary>
public enum StreamSectionType
{
    /// <summary>The first of several that belong together.</summary>
    Start = 1,

    /// <summary>Sent while the guest runs.</summary>
    Part = 2,

    /// <summary>The last one.</summary>
    End = 3,

    /// <summary>All in one.</summary>
    Full = 4,
}

/// <summary>The state of a device.</summary>
/// <param name="Name">Its idstr.</param>
/// <param name="Instance">Its instance id.</param>
/// <param name="Version">Its version id.</param>
/// <param name="SectionId">The number of its section.</param>
/// <param name="Offset">Where its section begins.</param>
/// <param name="Body">The bytes between header and footer.</param>
/// <param name="State">The values; null when the stream does not describe them.</param>
/// <param name="InPackage">Whether it came in a postcopy package.</param>
public sealed record StreamDevice(
    string Name, uint Instance, uint Version, uint SectionId, long Offset, byte[] Body, DecodedState? State, bool InPackage)
{
    /// <summary>The values, in the order of the stream; none when they are not described.</summary>
    public DecodedField[] Fields => State?.Fields ?? [];

    /// <summary>The optional parts that were there.</summary>
    public DecodedState[] Subsections => State?.Subsections ?? [];

    /// <summary>Bytes of the body.</summary>
    public int Length => Body.Length;

    /// <summary>The first field of that name, or null.</summary>
    public DecodedField? this[string name] => State?[name];

    /// <inheritdoc/>
    public override string ToString() => $"{Name}/{Instance}";
}

/// <summary>A command to the destination.</summary>
/// <param name="Command">Its name, as in QEMU's enum qemu_vm_cmd; the number where it has none.</param>
/// <param name="Offset">Where its type byte is.</param>
/// <param name="Payload">Its bytes; a package's are not among them.</param>
/// <param name="Detail">The payload in words.</param>
/// <param name="Block">The RAM block that it names, or null.</param>
/// <param name="Ranges">The parts of the block that it names.</param>
/// <param name="InPackage">Whether it came in a postcopy package.</param>
public sealed record StreamCommand(
    string Command, long Offset, byte[] Payload, string Detail, string? Block, StreamRange[] Ranges, bool InPackage);

/// <summary>A part of a RAM block, in bytes.</summary>
/// <param name="Start">Where it begins in the block.</param>
/// <param name="Length">How long it is.</param>
public readonly record struct StreamRange(long Start, long Length);

/// <summary>A message of a captured return path.</summary>
/// <param name="Type">Its name, as in QEMU's enum mig_rp_message_type; the number where it has none.</param>
/// <param name="Offset">Where it begins in the file.</param>
/// <param name="Payload">Its bytes, without those that follow a RECV_BITMAP.</param>
/// <param name="Detail">The payload in words.</param>
/// <param name="Block">The RAM block that it names, or null.</param>
/// <param name="Range">The part of the block that is asked for, or null.</param>
public sealed record StreamMessage(string Type, long Offset, byte[] Payload, string Detail, string? Block, StreamRange? Range);
