using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.VmState;

/// <summary>
/// What a VMDESCRIPTION says of a foreign machine: its FULL sections in the order of the stream, with their fields. Made by
/// <see cref="DescriptionParser"/>, which has checked all sizes.
/// </summary>
/// <param name="PageSize">Bytes of a target page.</param>
/// <param name="Devices">The sections.</param>
sealed record DescribedMachine(long PageSize, DescribedDevice[] Devices)
{
    /// <summary>Reads the JSON of a VMDESCRIPTION record. Throws InvalidLength, InvalidValue.</summary>
    public static DescribedMachine Parse(ReadOnlySpan<byte> json, MigrationSide sender = MigrationSide.Source) =>
        DescriptionParser.Parse(json, sender);

    /// <summary>The device of that section, or null.</summary>
    public DescribedDevice? Find(string name, uint instance) =>
        Array.Find(Devices, device => device.Name == name && device.Instance == instance);
}

/// <summary>One FULL section.</summary>
/// <param name="Name">Its idstr, such as <c>0000:00:01.1/ide</c>.</param>
/// <param name="Instance">Its instance id.</param>
/// <param name="State">Fields and subsections; of an old-style section one field <c>data</c>.</param>
/// <param name="BodySize">Bytes between header and footer.</param>
sealed record DescribedDevice(string Name, uint Instance, DescribedState State, long BodySize);

/// <summary>Fields, then subsections: a device, an embedded structure, or a subsection (VMStateDescription).</summary>
/// <param name="Name">The vmsd_name; empty for an old-style section, which has none.</param>
/// <param name="Version">Its version id.</param>
/// <param name="Fields">In the order of the stream.</param>
/// <param name="Subsections">Those that are there; they follow the fields.</param>
sealed record DescribedState(string Name, uint Version, DescribedField[] Fields, DescribedState[] Subsections)
{
    /// <summary>Bytes in a stream: Σ size × array_len of the fields, and each subsection with its header.</summary>
    public long Size { get; } = Sum(Fields.Select(field => field.TotalSize)) + Sum(Subsections.Select(sub => HeaderSize(sub) + sub.Size));

    /// <summary><c>05, u8 length, name, u32 version</c>.</summary>
    static long HeaderSize(DescribedState subsection) => 1 + 1 + System.Text.Encoding.UTF8.GetByteCount(subsection.Name) + 4;

    // No overflow: the parser bounds each field by 2^30 bytes and their number by 2^18.
    static long Sum(IEnumerable<long> sizes) => sizes.Sum();
}

/// <summary>One entry of a list of fields.</summary>
/// <param name="Name">As in QEMU's source.</param>
/// <param name="Type">QEMU's name of the type: <c>uint32</c>, <c>int32 equal</c>, <c>timer</c>, <c>struct</c>, …</param>
/// <param name="Size">Bytes of one element, with the subsections of a structure.</param>
/// <param name="Count">Elements that the entry stands for; null where it is no array.</param>
/// <param name="Index">Which element it is, where elements are listed one by one.</param>
/// <param name="Struct">What is inside; null for a plain value.</param>
sealed record DescribedField(string Name, string Type, long Size, int? Count, int? Index, DescribedState? Struct)
{
    /// <summary>Bytes of all elements.</summary>
    public long TotalSize => Size * (Count ?? 1);
}
