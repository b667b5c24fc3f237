using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.VmState;

/// <summary>
/// The VMDESCRIPTION record: <c>06, u32 length, JSON</c>. Lists every FULL section in the order of the stream, with its fields
/// and their sizes, so that a reader can cut sections that it does not understand.
/// </summary>
sealed class VmDescription
{
    readonly List<Action<Utf8JsonWriter>> _devices = [];

    /// <summary>A section with described fields.</summary>
    public void Add(uint instance, StateDescription description) => _devices.Add(json =>
    {
        json.WriteStartObject();
        json.WriteString("name", description.Name);
        json.WriteNumber("instance_id", instance);
        WriteState(json, description);
        json.WriteEndObject();
    });

    /// <summary>A section that is one buffer.</summary>
    public void Add(string name, uint instance, long size) => _devices.Add(json =>
    {
        json.WriteStartObject();
        json.WriteString("name", name);
        json.WriteNumber("instance_id", instance);
        json.WriteNumber("size", size);
        json.WriteStartArray("fields");
        json.WriteStartObject();
        json.WriteString("name", "data");
        json.WriteNumber("size", size);
        json.WriteString("type", "buffer");
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    });

    public void Write(WireWriter writer) => writer.Bytes(Encode());

    /// <summary>The record, with its type; subsections are those that are needed now.</summary>
    public byte[] Encode()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteNumber("page_size", GuestMemory.PageSize);
            json.WriteStartArray("devices");
            foreach (var device in _devices) device(json);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        var record = new byte[1 + 4 + buffer.WrittenCount];
        record[0] = (byte)RecordType.VmDescription;
        BinaryPrimitives.WriteUInt32BigEndian(record.AsSpan(1), (uint)buffer.WrittenCount);
        buffer.WrittenSpan.CopyTo(record.AsSpan(5));
        return record;
    }

    /// <summary>Reads past one, after its type byte. Throws InvalidLength.</summary>
    public static void Skip(WireReader reader)
    {
        var length = reader.UInt32();
        if (length > StreamConstants.MaxDescription)
            throw reader.Error(MigrationErrorId.InvalidLength, $"A description of {length} bytes can't be.");
        for (var left = (int)length; left > 0;)
        {
            var count = Math.Min(left, reader.Peek(1).Length);
            reader.Skip(count);
            left -= count;
        }
    }

    static void WriteState(Utf8JsonWriter json, StateDescription description)
    {
        json.WriteString("vmsd_name", description.Name);
        json.WriteNumber("version", description.Version);
        json.WriteStartArray("fields");
        foreach (var field in description.Fields)
        {
            json.WriteStartObject();
            json.WriteString("name", field.Name);
            json.WriteString("type", $"uint{field.Size * 8}");
            json.WriteNumber("size", field.Size);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        var needed = description.Subsections.Where(subsection => subsection.Needed?.Invoke() != false).ToList();
        if (needed.Count == 0) return;
        json.WriteStartArray("subsections");
        foreach (var subsection in needed)
        {
            json.WriteStartObject();
            WriteState(json, subsection);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
