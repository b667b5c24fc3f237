using System.Globalization;
using System.Text.Json;

namespace PsMigrate.Engine.Model;

/// <summary>
/// The fields of an object in a trace. A trace may come from anywhere: what is not known, is there twice, or is out of its range is an error
/// that names the place.
/// </summary>
sealed class TraceFields
{
    /// <summary>Any size or rate: what comes of sums and products of it is still a number.</summary>
    public const long Most = 1L << 60;

    /// <summary>Seconds: three years.</summary>
    public const double Longest = 1e8;

    const int LongestText = 4000;

    readonly Dictionary<string, JsonElement> _fields = [];
    readonly string _place;

    public TraceFields(JsonElement element, string place, params string[] known)
    {
        _place = place;
        var where = place.Length == 0 ? "the text" : place;
        if (element.ValueKind != JsonValueKind.Object) throw MigrationTrace.Invalid(where, "an object in braces is expected.");
        foreach (var field in element.EnumerateObject())
        {
            if (!known.Contains(field.Name)) throw MigrationTrace.Invalid(where, $"there is no '{Shown(field.Name)}'; there are {string.Join(", ", known)}.");
            if (!_fields.TryAdd(field.Name, field.Value)) throw MigrationTrace.Invalid(where, $"'{field.Name}' is there twice.");
        }
    }

    public string Place(string name) => _place.Length == 0 ? name : $"{_place}.{name}";

    public bool Has(string name) => _fields.TryGetValue(name, out var value) && value.ValueKind != JsonValueKind.Null;

    public JsonElement Element(string name) =>
        _fields.TryGetValue(name, out var value) ? value : throw MigrationTrace.Invalid(Place(name), "it is missing.");

    public long Count(string name, long least = 0, long most = Most) => (long)Checked(Whole(Element(name), Place(name)), least, most, Place(name));

    public double Number(string name, double least = 0, double most = Most) => Checked(Number(Element(name), Place(name)), least, most, Place(name));

    public TimeSpan Seconds(string name) => TimeSpan.FromSeconds(Number(name, 0, Longest));

    public bool Flag(string name) => Element(name).ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw MigrationTrace.Invalid(Place(name), "it is true or false."),
    };

    public string Text(string name)
    {
        var value = Element(name);
        var text = value.ValueKind == JsonValueKind.String ? value.GetString()! : throw MigrationTrace.Invalid(Place(name), "text in quotes is expected.");
        return text.Length <= LongestText ? text : throw MigrationTrace.Invalid(Place(name), $"it is longer than {LongestText} characters.");
    }

    public T Name<T>(string name)
        where T : struct, Enum
    {
        var text = Text(name);
        foreach (var known in Enum.GetValues<T>())
            if (known.ToString() == text) return known;
        throw MigrationTrace.Invalid(Place(name), $"there is no {Shown(text)}; there are {string.Join(", ", Enum.GetNames<T>())}.");
    }

    public JsonElement[] Items(string name, int most)
    {
        var list = Element(name);
        if (list.ValueKind != JsonValueKind.Array) throw MigrationTrace.Invalid(Place(name), "a list in brackets is expected.");
        return list.GetArrayLength() <= most ? [.. list.EnumerateArray()]
            : throw MigrationTrace.Invalid(Place(name), $"it has {list.GetArrayLength()} items, more than {most}.");
    }

    public long[] Counts(string name, int most, long least, long greatest) =>
        [.. Items(name, most).Select((item, at) => (long)Checked(Whole(item, $"{Place(name)}[{at}]"), least, greatest, $"{Place(name)}[{at}]"))];

    public double[] Numbers(string name, int most, double least, double greatest) =>
        [.. Items(name, most).Select((item, at) => Checked(Number(item, $"{Place(name)}[{at}]"), least, greatest, $"{Place(name)}[{at}]"))];

    public TimeSpan[] Times(string name, int most) => [.. Numbers(name, most, 0, Longest).Select(TimeSpan.FromSeconds)];

    static double Number(JsonElement value, string place) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && double.IsFinite(number) ? number
        : throw MigrationTrace.Invalid(place, "a number is expected.");

    static double Whole(JsonElement value, string place) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) ? number
        : throw MigrationTrace.Invalid(place, "a whole number is expected.");

    static double Checked(double value, double least, double most, string place) => value >= least && value <= most ? value
        : throw MigrationTrace.Invalid(place, string.Create(CultureInfo.InvariantCulture, $"it is {least} to {most}, and not {value}."));

    static string Shown(string text) => text.Length <= 40 ? text : text[..40] + "…";
}
