using System.Text.Json;

namespace PsMigrate.Engine.Qmp;

/// <summary>Fields of JSON that may be missing or of another kind: nothing here throws.</summary>
static class QmpJson
{
    /// <summary>An object without fields.</summary>
    public static JsonElement EmptyObject { get; } = JsonElement.Parse("{}"u8);

    /// <summary>The field; of kind Undefined where there is none, or where this is no object.</summary>
    public static JsonElement Field(this JsonElement from, string name) =>
        from.ValueKind == JsonValueKind.Object && from.TryGetProperty(name, out var value) ? value : default;

    /// <summary>The elements of an array; none where this is no array.</summary>
    public static IEnumerable<JsonElement> Items(this JsonElement from) =>
        from.ValueKind == JsonValueKind.Array ? from.EnumerateArray() : [];

    /// <summary>This as a text, if it is one.</summary>
    public static string? AsText(this JsonElement from) => from.ValueKind == JsonValueKind.String ? from.GetString() : null;

    /// <summary>This as a whole number, if it is one. QEMU's unsigned values beyond the range become the largest.</summary>
    public static long? AsNumber(this JsonElement from)
    {
        if (from.ValueKind != JsonValueKind.Number) return null;
        if (from.TryGetInt64(out var value)) return value;
        return from.TryGetUInt64(out _) ? long.MaxValue : null;
    }

    /// <summary>This as a number, if it is a finite one.</summary>
    public static double? AsReal(this JsonElement from) =>
        from.ValueKind == JsonValueKind.Number && from.TryGetDouble(out var value) && double.IsFinite(value) ? value : null;

    /// <summary>This as true or false, if it is one of them.</summary>
    public static bool? AsFlag(this JsonElement from) =>
        from.ValueKind is JsonValueKind.True or JsonValueKind.False ? from.GetBoolean() : null;

    public static string? Text(this JsonElement from, string name) => from.Field(name).AsText();

    public static long? Number(this JsonElement from, string name) => from.Field(name).AsNumber();

    public static double? Real(this JsonElement from, string name) => from.Field(name).AsReal();

    public static bool? Flag(this JsonElement from, string name) => from.Field(name).AsFlag();

    /// <summary>The whole numbers of an array; others are left out. Empty where there is no array.</summary>
    public static long[] Numbers(this JsonElement from, string name) => [.. from.Field(name).Items().Select(AsNumber).OfType<long>()];

    /// <summary>The texts of an array; others are left out. Empty where there is no array.</summary>
    public static string[] Texts(this JsonElement from, string name) => [.. from.Field(name).Items().Select(AsText).OfType<string>()];

    /// <summary>A time in milliseconds; null where there is none, or none that can be.</summary>
    public static TimeSpan? Milliseconds(this JsonElement from, string name) => Time(from.Number(name), TimeSpan.TicksPerMillisecond);

    /// <summary>A time in microseconds; null where there is none, or none that can be.</summary>
    public static TimeSpan? Microseconds(this JsonElement from, string name) => Time(from.Number(name), TimeSpan.TicksPerMicrosecond);

    static TimeSpan? Time(long? value, long ticks) =>
        value is { } units and >= 0 && units <= long.MaxValue / ticks ? new(units * ticks) : null;
}
