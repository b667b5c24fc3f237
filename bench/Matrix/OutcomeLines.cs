using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using PsMigrate.Bench.Report;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Matrix;

/// <summary>
/// Outcomes as JSON lines, one each, so that a run that was cut off goes on where it was; a later line of the same name counts. A line of another
/// machine, or of what was measured otherwise, is none.
/// </summary>
/// <param name="name">Of the part.</param>
/// <param name="revision">To be raised when what is measured, or how, or what it is measured of changes.</param>
/// <param name="nameOf">By which an outcome is known.</param>
sealed class OutcomeLines<T>(string name, int revision, Func<T, string> nameOf)
    where T : class
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

    readonly SortedSet<string> _days = new(StringComparer.Ordinal);
    Dictionary<string, Line>? _known;

    /// <summary>From when the outcomes are that were found or added.</summary>
    public string Period => _days.Count == 0 ? Host.Today : _days.Min == _days.Max ? _days.Min! : $"{_days.Min} to {_days.Max}";

    /// <summary>One that was measured here, with these parameters; null when there is none.</summary>
    public T? Find(string outcome, MigrationParameters parameters)
    {
        if (!(_known ??= Read()).TryGetValue(outcome, out var line) || line.Version != Version(parameters)) return null;
        _days.Add(line.Date);
        return line.Outcome;
    }

    /// <summary>One that was measured here, whatever was asked for and however it was measured; null when there is none.</summary>
    public T? FindAny(string outcome)
    {
        if (!(_known ??= Read()).TryGetValue(outcome, out var line)) return null;
        _days.Add(line.Date);
        return line.Outcome;
    }

    public void Add(T outcome, MigrationParameters parameters)
    {
        var line = new Line(Host.Today, Host.Text, Version(parameters), outcome);
        File.AppendAllText(_path, JsonSerializer.Serialize(line, Options) + "\n");
        (_known ??= Read())[nameOf(outcome)] = line;
        _days.Add(line.Date);
    }

    string Version(MigrationParameters parameters) =>
        string.Create(CultureInfo.InvariantCulture, $"{revision}; {parameters}; {parameters.Policy?.ToJson()}");

    Dictionary<string, Line> Read()
    {
        var known = new Dictionary<string, Line>();
        if (!File.Exists(_path)) return known;
        foreach (var text in File.ReadLines(_path))
            if (Parse(text) is { Outcome: not null } line && line.Machine == Host.Text) known[nameOf(line.Outcome)] = line;
        return known;
    }

    /// <summary>Null of one that is not whole, or of another form.</summary>
    static Line? Parse(string text)
    {
        try
        {
            return JsonSerializer.Deserialize<Line>(text, Options);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <param name="Date">When it was measured.</param>
    /// <param name="Machine">Where.</param>
    /// <param name="Version">What, and with which parameters.</param>
    /// <param name="Outcome">What came.</param>
    sealed record Line(string Date, string Machine, string Version, T Outcome);
}
