using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Matrix;

/// <summary>Outcomes as JSON lines, one each, so that a run that was cut off goes on where it was; a later line of the same name counts.</summary>
/// <param name="name">Of the part.</param>
/// <param name="nameOf">By which an outcome is known.</param>
sealed class OutcomeLines<T>(string name, Func<T, string> nameOf)
{
    static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Converters = { new JsonStringEnumConverter() },
        IgnoreReadOnlyProperties = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
    };

    readonly string _path = Path.Combine(
        Directory.CreateDirectory(Path.Combine(Repository.Root ?? AppContext.BaseDirectory, "bench", "results")).FullName, $"convergence-{name}.jsonl");

    /// <summary>Those that are known, by name.</summary>
    public Dictionary<string, T> Read()
    {
        var known = new Dictionary<string, T>();
        if (!File.Exists(_path)) return known;
        foreach (var line in File.ReadLines(_path))
            if (JsonSerializer.Deserialize<T>(line, Options) is { } outcome) known[nameOf(outcome)] = outcome;
        return known;
    }

    public void Add(T outcome) => File.AppendAllText(_path, JsonSerializer.Serialize(outcome, Options) + "\n");
}
