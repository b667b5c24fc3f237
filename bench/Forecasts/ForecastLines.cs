using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Forecasts;

/// <summary>Outcomes as JSON lines, one each, so that a run that was cut off goes on where it was. Removing the file begins anew.</summary>
static class ForecastLines
{
    static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Converters = { new JsonStringEnumConverter() },
        IgnoreReadOnlyProperties = true,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
    };

    public static string Path { get; } = System.IO.Path.Combine(
        Directory.CreateDirectory(System.IO.Path.Combine(Repository.Root ?? AppContext.BaseDirectory, "bench", "results")).FullName, "forecast.jsonl");

    public static List<ForecastOutcome> Read() =>
        File.Exists(Path) ? [.. File.ReadLines(Path).Select(line => JsonSerializer.Deserialize<ForecastOutcome>(line, Options)!)] : [];

    public static void Add(ForecastOutcome outcome) => File.AppendAllText(Path, JsonSerializer.Serialize(outcome, Options) + "\n");
}
