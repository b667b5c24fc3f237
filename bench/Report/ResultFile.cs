using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace PsMigrate.Bench.Report;

/// <summary>
/// The last results, kept in the repository: arrays of rows as JSON, the lines of the target table apart from the others, and the same
/// as tables in the README; the target table, with what is known of those that miss, also in docs/performance.md. New rows take the place of those for the same work and peer; the others stay, with their own date.
/// </summary>
static class ResultFile
{
    /// <summary>How all files of results are written.</summary>
    public static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
    };

    public static void Merge(IReadOnlyList<Row> rows)
    {
        if (Repository.Root is not { } root) return;
        var folder = Path.Combine(root, "bench");
        var results = Directory.CreateDirectory(Path.Combine(folder, "results")).FullName;
        var targets = Merge(Path.Combine(results, "throughput.json"), [.. rows.Where(row => row.Subject is null)], row => row.Line is not null);
        var others = Merge(Path.Combine(results, "foundation.json"), [.. rows.Where(row => row.Subject is null)], row => row.Line is null);
        var subjects = rows.Select(row => row.Subject).OfType<string>().Distinct().ToArray();
        foreach (var subject in subjects) Merge(Path.Combine(results, $"{subject}.json"), [.. rows.Where(row => row.Subject == subject)], _ => true);
        var tls = Merge(Path.Combine(results, "tls.json"), [], _ => true);
        MarkedText.Replace(Path.Combine(folder, "README.md"), "Results", $"{Text(targets)}\nBeyond the target table:\n\n{Text(others)}\nTLS:\n\n{Text(tls)}");
        MarkedText.Replace(Path.Combine(root, "docs", "performance.md"), "The target table", $"{Text(targets)}\n{Table.Notes(targets, onlyMissed: true)}");
    }

    /// <summary>A row that has become one of the other file leaves this one.</summary>
    static List<Row> Merge(string file, IReadOnlyList<Row> rows, Predicate<Row> belongs)
    {
        var known = File.Exists(file) ? JsonSerializer.Deserialize<List<Row>>(File.ReadAllText(file), Options) ?? [] : [];
        foreach (var row in rows)
        {
            var at = known.FindIndex(old => old.Work == row.Work && old.Peer == row.Peer);
            if (at >= 0 && belongs(row)) known[at] = row;
            else if (at >= 0) known.RemoveAt(at);
            else if (belongs(row)) known.Add(row);
        }
        List<Row> sorted = [.. known.OrderBy(row => row.Line)];
        if (sorted.Count > 0) File.WriteAllText(file, JsonSerializer.Serialize(sorted, Options) + "\n");
        return sorted;
    }

    static string Text(List<Row> rows) => string.Join('\n',
        rows.GroupBy(row => (row.Date, row.Machine)).Select(group => $"{group.Key.Date}, {group.Key.Machine}:\n\n{Table.Markdown(group)}"));
}
