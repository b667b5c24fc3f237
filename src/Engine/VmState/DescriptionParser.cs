using System.Text.Json;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.VmState;

/// <summary>
/// Reads the JSON that QEMU's vmstate_save_state_v writes. Keys that are not known are passed over; depth, number of entries and
/// every size are bounded, so that a hostile description costs no more than its own length.
/// </summary>
ref struct DescriptionParser
{
    /// <summary>The longest description that is read, in bytes: a machine with 1000 vCPUs has about 8 MiB.</summary>
    public const int MaxLength = 16 << 20;

    // Real machines nest up to 8 structures, each of which is three levels of JSON.
    const int MaxDepth = 96;
    const int MaxEntries = 1 << 18;

    // The body of one section; with MaxEntries it keeps every sum far from the end of a long.
    const long MaxSize = 1L << 30;

    readonly MigrationSide _sender;
    Utf8JsonReader _json;
    int _entries;

    DescriptionParser(ReadOnlySpan<byte> json, MigrationSide sender)
    {
        _sender = sender;
        _json = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth });
    }

    public static DescribedMachine Parse(ReadOnlySpan<byte> json, MigrationSide sender)
    {
        if (json.Length > MaxLength)
            throw new MigrationException(MigrationErrorId.InvalidLength, sender, $"A description of {json.Length} bytes can't be.");
        try
        {
            return new DescriptionParser(json, sender).Machine();
        }
        // Besides its own exception the reader throws this one, for text that is no UTF-8.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new MigrationException(MigrationErrorId.InvalidValue, sender, $"The description is no JSON: {e.Message}", e);
        }
    }

    DescribedMachine Machine()
    {
        long pageSize = 0;
        List<DescribedDevice>? devices = null;
        _json.Read();
        Expect(JsonTokenType.StartObject, "description");
        while (NextKey() is { } key)
            switch (key)
            {
                case "page_size": pageSize = Number(key, MaxSize); break;
                case "devices": devices = Devices(); break;
                default: _json.Skip(); break;
            }
        // Whatever follows the object makes it no description.
        if (_json.Read()) throw Error("text follows its end");
        return new DescribedMachine(pageSize, devices?.ToArray() ?? throw Error("it has no devices"));
    }

    List<DescribedDevice> Devices()
    {
        Expect(JsonTokenType.StartArray, "devices");
        var devices = new List<DescribedDevice>();
        while (NextItem("devices")) devices.Add(Device());
        return devices;
    }

    DescribedDevice Device()
    {
        var entry = Object();
        if (entry.Name is null) throw Error("a device has no name");
        var state = entry.State ?? throw Error($"device {entry.Name} has no fields");
        // An old-style section gives its size; a described one is as long as its fields.
        var size = entry.StateName is null && entry.Size is { } given ? given : Bounded(state.Size);
        return new DescribedDevice(entry.Name, (uint)entry.Instance, state, size);
    }

    List<DescribedField> Fields()
    {
        Expect(JsonTokenType.StartArray, "fields");
        var fields = new List<DescribedField>();
        while (NextItem("fields")) fields.Add(Field());
        return fields;
    }

    DescribedField Field()
    {
        var entry = Object();
        if (entry.Name is null || entry.Type is null || entry.Size is null) throw Error("a field lacks its name, type or size");
        var field = new DescribedField(entry.Name, entry.Type, entry.Size.Value, entry.Count, entry.Index, entry.Struct ?? entry.State);
        Bounded(field.TotalSize);
        return field;
    }

    List<DescribedState> Subsections()
    {
        Expect(JsonTokenType.StartArray, "subsections");
        var subsections = new List<DescribedState>();
        while (NextItem("subsections"))
        {
            var entry = Object();
            if (entry.StateName is null) throw Error("a subsection has no name");
            subsections.Add(entry.State ?? throw Error($"subsection {entry.StateName} has no fields"));
        }
        return subsections;
    }

    /// <summary>The keys of a device, a field, a structure or a subsection: they differ only in which of them are there.</summary>
    Entry Object()
    {
        if (++_entries > MaxEntries) throw Error($"it has more than {MaxEntries} entries");
        Expect(JsonTokenType.StartObject, "an entry");
        var entry = default(Entry);
        List<DescribedField>? fields = null;
        List<DescribedState> subsections = [];
        while (NextKey() is { } key)
            switch (key)
            {
                case "name": entry.Name = Text(key); break;
                case "instance_id": entry.Instance = Number(key, uint.MaxValue); break;
                case "vmsd_name": entry.StateName = Text(key); break;
                case "version": entry.Version = Number(key, uint.MaxValue); break;
                case "type": entry.Type = Text(key); break;
                case "size": entry.Size = Number(key, MaxSize); break;
                case "array_len": entry.Count = (int)Number(key, MaxSize); break;
                case "index": entry.Index = (int)Number(key, int.MaxValue); break;
                case "struct": entry.Struct = Object().State ?? throw Error("a structure has no fields"); break;
                case "fields": fields = Fields(); break;
                case "subsections": subsections = Subsections(); break;
                default: _json.Skip(); break;
            }
        if (fields is not null)
            entry.State = new DescribedState(entry.StateName ?? "", (uint)entry.Version, [.. fields], [.. subsections]);
        return entry;
    }

    /// <summary>The next key, with the reader on its value; null at the end of the object.</summary>
    string? NextKey()
    {
        _json.Read();
        if (_json.TokenType == JsonTokenType.EndObject) return null;
        var key = _json.GetString();
        _json.Read();
        return key;
    }

    /// <summary>Whether the reader is on one more object of the array.</summary>
    bool NextItem(string what)
    {
        _json.Read();
        if (_json.TokenType == JsonTokenType.EndArray) return false;
        Expect(JsonTokenType.StartObject, what);
        return true;
    }

    readonly string Text(string key) =>
        _json.TokenType == JsonTokenType.String ? _json.GetString()! : throw Error($"{key} is no text");

    readonly long Number(string key, long most) =>
        _json.TokenType == JsonTokenType.Number && _json.TryGetInt64(out var value) && value >= 0 && value <= most
            ? value : throw Error($"{key} is no number from 0 to {most}");

    readonly long Bounded(long size) =>
        size is >= 0 and <= MaxSize ? size : throw new MigrationException(MigrationErrorId.InvalidLength, _sender,
            $"A section of {size} bytes can't be (offset {_json.TokenStartIndex} of the description).");

    readonly void Expect(JsonTokenType type, string what)
    {
        if (_json.TokenType != type) throw Error($"{what} begins with {_json.TokenType} instead of {type}");
    }

    readonly MigrationException Error(string what) => new(MigrationErrorId.InvalidValue, _sender,
        $"The description can't be used: {what} (offset {_json.TokenStartIndex}).");

    struct Entry
    {
        public string? Name;
        public long Instance;
        public string? StateName;
        public long Version;
        public string? Type;
        public long? Size;
        public int? Count;
        public int? Index;
        public DescribedState? Struct;
        public DescribedState? State;
    }
}
