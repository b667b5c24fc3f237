using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace PsMigrate.Bench.Report;

/// <summary>
/// The last results, kept in the repository: an array of rows as JSON, and the same as a table in the README. New rows take the
/// place of those for the same work and peer; the others stay, with their own date.
/// </summary>
static class ResultFile
{
    const string Begin = "<!-- results: written by the bench -->";
    const string End = "<!-- end of results -->";

    static readonly JsonSerializerOptions Options = new()
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
        var file = Path.Combine(folder, "results", "foundation.json");
        var known = File.Exists(file) ? JsonSerializer.Deserialize<List<Row>>(File.ReadAllText(file), Options) ?? [] : [];
        foreach (var row in rows)
        {
            var at = known.FindIndex(old => old.Work == row.Work && old.Peer == row.Peer);
            if (at < 0) known.Add(row);
            else known[at] = row;
        }
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, JsonSerializer.Serialize(known, Options) + "\n");
        WriteReadme(Path.Combine(folder, "README.md"), known);
    }

    static void WriteReadme(string file, List<Row> rows)
    {
        if (!File.Exists(file)) return;
        var text = File.ReadAllText(file);
        var (begin, end) = (text.IndexOf(Begin, StringComparison.Ordinal), text.IndexOf(End, StringComparison.Ordinal));
        if (begin < 0 || end < begin) return;
        var groups = rows.GroupBy(row => (row.Date, row.Machine)).Select(group => $"{group.Key.Date}, {group.Key.Machine}:\n\n{Table.Markdown(group)}");
        File.WriteAllText(file, $"{text[..(begin + Begin.Length)]}\n\n{string.Join('\n', groups)}\n{text[end..]}");
    }
}
