using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PsMigrate.Engine.Model;

/// <summary>A policy as JSON. What is not known is an error: a rule that was mistyped must not be passed over.</summary>
static class PolicyJson
{
    const string Format = "psmigrate-policy";
    const int Version = 1;
    const int Largest = 1 << 20;

    static readonly JsonSerializerOptions Writing = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Write(MigrationPolicy policy)
    {
        policy.Validate();
        return new JsonObject
        {
            ["format"] = Format,
            ["version"] = Version,
            ["name"] = policy.Name,
            ["description"] = policy.Description,
            ["startDowntime"] = policy.StartDowntime,
            ["rules"] = new JsonArray([.. policy.Rules.Select(Write)]),
        }.ToJsonString(Writing) + "\n";
    }

    static JsonObject Write(PolicyRule rule) => new()
    {
        ["when"] = new JsonArray([.. rule.When.Select(condition => (JsonNode)condition.ToString())]),
        ["then"] = rule.Then.ToString(),
        ["at"] = rule.At.ToString(),
        ["once"] = rule.Once,
        ["because"] = rule.Because,
    };

    public static MigrationPolicy Read(string json)
    {
        if (json.Length > Largest) throw PolicyText.Invalid("the text", $"it is longer than {Largest} characters.");
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 8, CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            return Read(document.RootElement).Validate();
        }
        catch (JsonException e)
        {
            throw PolicyText.Invalid("the text", $"it is no JSON: {Printable.Text(e.Message, 300)}");
        }
    }

    static MigrationPolicy Read(JsonElement root)
    {
        var fields = Fields(root, "", "format", "version", "name", "description", "startDowntime", "rules");
        if (Text(fields, "format", "", "") is var format && format != Format) throw PolicyText.Invalid("format", $"it has to be {Format}, and is '{Printable.Text(format)}'.");
        if (Number(fields, "version", 0) is var version && version != Version)
            throw PolicyText.Invalid("version", PolicyText.Format($"this release reads version {Version}, and it is {version}."));
        var rules = fields.TryGetValue("rules", out var list) ? Items(list, "rules") : [];
        return new MigrationPolicy
        {
            Name = Text(fields, "name", "", ""),
            Description = Text(fields, "description", "", ""),
            StartDowntime = Number(fields, "startDowntime", 1),
            Rules = [.. rules.Select((rule, at) => ReadRule(rule, $"rules[{at}]"))],
        };
    }

    static PolicyRule ReadRule(JsonElement rule, string place)
    {
        var fields = Fields(rule, place, "when", "then", "at", "once", "because");
        if (!fields.ContainsKey("then")) throw PolicyText.Invalid(place, "a rule needs 'then'.");
        var when = fields.TryGetValue("when", out var list) ? Items(list, $"{place}.when") : [];
        return new PolicyRule
        {
            When = [.. when.Select((condition, at) => PolicyText.ParseCondition(Text(condition, $"{place}.when[{at}]"), $"{place}.when[{at}]"))],
            Then = PolicyText.ParseAction(Text(fields, "then", place, ""), $"{place}.then"),
            At = PolicyText.ParseName<PolicyMoment>(Text(fields, "at", place, nameof(PolicyMoment.PassEnd)), "moment", $"{place}.at"),
            Once = fields.TryGetValue("once", out var once) && (once.ValueKind is JsonValueKind.True or JsonValueKind.False
                ? once.GetBoolean() : throw PolicyText.Invalid($"{place}.once", "it is true or false.")),
            Because = Text(fields, "because", place, ""),
        };
    }

    static Dictionary<string, JsonElement> Fields(JsonElement element, string place, params string[] known)
    {
        var where = place.Length == 0 ? "the text" : place;
        if (element.ValueKind != JsonValueKind.Object) throw PolicyText.Invalid(where, "an object in braces is expected.");
        var fields = new Dictionary<string, JsonElement>();
        foreach (var field in element.EnumerateObject())
        {
            if (!known.Contains(field.Name)) throw PolicyText.Invalid(where, $"there is no '{Printable.Text(field.Name)}'; there are {string.Join(", ", known)}.");
            if (!fields.TryAdd(field.Name, field.Value)) throw PolicyText.Invalid(where, $"'{field.Name}' is there twice.");
        }
        return fields;
    }

    static JsonElement[] Items(JsonElement list, string place) =>
        list.ValueKind == JsonValueKind.Array ? [.. list.EnumerateArray()] : throw PolicyText.Invalid(place, "a list in brackets is expected.");

    static string Text(Dictionary<string, JsonElement> fields, string name, string place, string otherwise) =>
        fields.TryGetValue(name, out var value) ? Text(value, place.Length == 0 ? name : $"{place}.{name}") : otherwise;

    static string Text(JsonElement value, string place) =>
        value.ValueKind == JsonValueKind.String ? value.GetString()! : throw PolicyText.Invalid(place, "text in quotes is expected.");

    static double Number(Dictionary<string, JsonElement> fields, string name, double otherwise) =>
        !fields.TryGetValue(name, out var value) ? otherwise
        : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) ? number
        : throw PolicyText.Invalid(name, "a number is expected.");

    public static MigrationPolicy Load(string path)
    {
        try
        {
            return Read(PlainFile.ReadText(path, Largest) ?? throw PolicyText.Invalid(path, $"it is larger than {Largest} bytes."));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new MigrationException(MigrationErrorId.FileFailed, MigrationSide.User, $"The policy in {path} can't be read: {e.Message}", e);
        }
    }

    public static void Save(MigrationPolicy policy, string path)
    {
        var json = Write(policy);
        try
        {
            File.WriteAllText(path, json);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new MigrationException(MigrationErrorId.FileFailed, MigrationSide.User, $"The policy can't be written to {path}: {e.Message}", e);
        }
    }
}
