using System.Buffers.Binary;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.VmState;

/// <summary>
/// Values of a section by its description. Types that only QEMU's device code understands stay bytes. The number of values is
/// bounded: a hostile description can say that a few bytes are millions of empty fields.
/// </summary>
ref struct FieldDecoder
{
    // A hundred times what the largest section of a real machine has.
    const int MaxValues = 1 << 18;

    readonly ReadOnlySpan<byte> _body;
    readonly long _origin;
    int _at;
    int _values;

    FieldDecoder(ReadOnlySpan<byte> body, long origin)
    {
        _body = body;
        _origin = origin;
    }

    /// <summary>
    /// The section's values. Throws InvalidLength when the body is not as long as described or has too many values, InvalidValue
    /// when a subsection is not where it should be.
    /// </summary>
    /// <param name="record">The section.</param>
    /// <param name="description">Its description.</param>
    /// <param name="origin">Where the body begins in the stream, for the offsets.</param>
    public static DecodedState Decode(DeviceRecord record, DescribedDevice description, long origin = 0)
    {
        if (record.Body.Length != description.BodySize)
            throw Error(MigrationErrorId.InvalidLength, origin,
                $"Section {Printable.Text(record.Name)} has {record.Body.Length} bytes, and its description says {description.BodySize}.");
        // An old-style section can say that it is longer than its fields; those are read, and no more.
        if (description.State.Size > record.Body.Length)
            throw Error(MigrationErrorId.InvalidLength, origin, 
                $"The fields of section {Printable.Text(record.Name)} are longer than the section.");
        return new FieldDecoder(record.Body, origin).State(description.State);
    }

    DecodedState State(DescribedState state)
    {
        Count();
        var fields = new DecodedField[state.Fields.Length];
        for (var i = 0; i < fields.Length; i++) fields[i] = Field(state.Fields[i]);
        var subsections = new DecodedState[state.Subsections.Length];
        for (var i = 0; i < subsections.Length; i++) subsections[i] = Subsection(state.Subsections[i]);
        return new DecodedState(state.Name, state.Version, fields, subsections);
    }

    DecodedState Subsection(DescribedState state)
    {
        var rest = _body[_at..];
        var name = System.Text.Encoding.UTF8.GetBytes(state.Name);
        var size = 2 + name.Length + 4;
        var isThere = rest.Length >= size && (RecordType)rest[0] == RecordType.Subsection && rest[1] == (byte)name.Length
            && rest.Slice(2, name.Length).SequenceEqual(name);
        if (!isThere)
            throw Error(MigrationErrorId.InvalidValue, _origin + _at, 
                $"Subsection {Printable.Text(state.Name)} is not where its description says.");
        _at += size;
        return State(state) with { Version = BinaryPrimitives.ReadUInt32BigEndian(rest[(2 + name.Length)..]) };
    }

    DecodedField Field(DescribedField field)
    {
        Count();
        var start = _at;
        var value = Value(field);
        // Whatever was understood inside, the next field begins where this one ends by its size.
        _at = start + (int)field.TotalSize;
        return new DecodedField(field.Name, field.Type, value, field.TotalSize, _origin + start, field.Index);
    }

    object? Value(DescribedField field)
    {
        var bytes = _body.Slice(_at, (int)field.TotalSize);
        if (field.Size == 0) return bytes.ToArray();
        if (field.Struct is { } inner)
        {
            // What can't be told apart is given as it stands.
            if (inner.Size != field.Size) return bytes.ToArray();
            if (field.Count is not { } count) return State(inner);
            var states = new DecodedState[count];
            for (var i = 0; i < count; i++) states[i] = State(inner);
            return states;
        }
        return field.Count is { } length ? Elements(field, length, bytes) : Scalar(field, bytes);
    }

    static object? Scalar(DescribedField field, ReadOnlySpan<byte> bytes) => (Kind(field), field.Size) switch
    {
        ("bool", 1) => bytes[0] != 0,
        ("uint", 1) => bytes[0],
        ("uint", 2) => BinaryPrimitives.ReadUInt16BigEndian(bytes),
        ("uint", 4) => BinaryPrimitives.ReadUInt32BigEndian(bytes),
        ("uint", 8) => BinaryPrimitives.ReadUInt64BigEndian(bytes),
        ("int", 1) => (sbyte)bytes[0],
        ("int", 2) => BinaryPrimitives.ReadInt16BigEndian(bytes),
        ("int", 4) => BinaryPrimitives.ReadInt32BigEndian(bytes),
        ("int", 8) => BinaryPrimitives.ReadInt64BigEndian(bytes),
        // A null among pointers is one byte '0'.
        ("nullptr", 1) => null,
        _ => bytes.ToArray(),
    };

    static Array Elements(DescribedField field, int count, ReadOnlySpan<byte> bytes)
    {
        var size = (int)field.Size;
        if (count == 0 || Scalar(field, bytes[..size]) is not ({ } first and not byte[])) return Slices(bytes, size, count);
        var values = Array.CreateInstance(first.GetType(), count);
        for (var i = 0; i < count; i++) values.SetValue(Scalar(field, bytes.Slice(i * size, size)), i);
        return values;
    }

    /// <summary>Bytes per element; bytes alone where an element is a byte.</summary>
    static Array Slices(ReadOnlySpan<byte> bytes, int size, int count)
    {
        if (size == 1) return bytes.ToArray();
        var slices = new byte[count][];
        for (var i = 0; i < count; i++) slices[i] = bytes.Slice(i * size, size).ToArray();
        return slices;
    }

    /// <summary>
    /// The kind of number. "equal" and "le" name what the loading side checks (the same value; less or equal), not another
    /// encoding: all numbers are big-endian. A timer is its expiry in ns, -1 while it is off.
    /// </summary>
    static string Kind(DescribedField field)
    {
        var type = field.Type.Split(' ', 2)[0];
        return type switch
        {
            "bool" or "nullptr" => type,
            "timer" or "int8" or "int16" or "int32" or "int64" => "int",
            "uint8" or "uint16" or "uint32" or "uint64" => "uint",
            _ => "",
        };
    }

    void Count()
    {
        if (++_values > MaxValues)
            throw Error(MigrationErrorId.InvalidLength, _origin + _at, $"A section of more than {MaxValues} values can't be.");
    }

    static MigrationException Error(MigrationErrorId id, long at, string message) =>
        new(id, MigrationSide.Source, message) { StreamOffset = at };
}
