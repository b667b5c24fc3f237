namespace PsMigrate.Engine.VmState;

/// <summary>Values of a device, of a structure in it, or of a subsection, as a stream held them.</summary>
/// <param name="Name">QEMU's name of the state (vmsd_name).</param>
/// <param name="Version">Its version.</param>
/// <param name="Fields">The values, in the order of the stream.</param>
/// <param name="Subsections">The optional parts that were there.</param>
public sealed record DecodedState(string Name, uint Version, DecodedField[] Fields, DecodedState[] Subsections)
{
    /// <summary>The first field of that name, or null.</summary>
    public DecodedField? this[string name] => Array.Find(Fields, field => field.Name == name);

    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>One field.</summary>
/// <param name="Name">As in QEMU's source.</param>
/// <param name="Type">QEMU's name of its type, such as <c>uint32</c>, <c>timer</c> or <c>struct</c>.</param>
/// <param name="Value">
/// A number or bool of the type's width; a <see cref="DecodedState"/>; an array of these, for an array (bytes as byte[]); the bytes,
/// for types that only the device understands; null for a null pointer.
/// </param>
/// <param name="Size">Bytes in the stream, all elements.</param>
/// <param name="Offset">Where it begins in the stream.</param>
/// <param name="Index">Which element of an array it is, where elements are listed one by one.</param>
public sealed record DecodedField(string Name, string Type, object? Value, long Size, long Offset, int? Index)
{
    /// <summary>The value in short: numbers in decimal and hexadecimal, bytes as text if they are text.</summary>
    public string Text => FieldText.Of(Value);

    /// <inheritdoc/>
    public override string ToString() => $"{Name} = {Text}";
}
