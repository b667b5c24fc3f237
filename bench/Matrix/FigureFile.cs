using System.Globalization;
using System.Text;
using System.Text.Json;
using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Matrix;

/// <summary>results/convergence.json, and the same as a table in docs/convergence.md. New figures take the place of those of the same name.</summary>
static class FigureFile
{
    public static void Merge(IReadOnlyList<Figure> figures)
    {
        if (Repository.Root is not { } root || figures.Count == 0) return;
        var file = Path.Combine(Directory.CreateDirectory(Path.Combine(root, "bench", "results")).FullName, "convergence.json");
        var known = File.Exists(file) ? JsonSerializer.Deserialize<List<Figure>>(File.ReadAllText(file), ResultFile.Options) ?? [] : [];
        foreach (var figure in figures)
        {
            var at = known.FindIndex(old => old.What == figure.What);
            if (at >= 0) known[at] = figure;
            else known.Add(figure);
        }
        File.WriteAllText(file, JsonSerializer.Serialize(known, ResultFile.Options) + "\n");
        MarkedText.Replace(Path.Combine(root, "docs", "convergence.md"), "The figures", string.Join('\n',
            known.GroupBy(figure => (figure.Date, figure.Machine)).Select(group => $"{group.Key.Date}, {group.Key.Machine}:\n\n{Table(group)}")));
    }

    public static string Table(IEnumerable<Figure> figures)
    {
        var text = new StringBuilder("| what | value | target | met | n |\n|---|---|---|---|---|\n");
        foreach (var one in figures)
            text.Append(CultureInfo.InvariantCulture, $"| {one.What} | {one.Value?.ToString("0.###", CultureInfo.InvariantCulture) ?? "–"} | {Target(one)} | {Met(one.Met)} | {one.N} |\n");
        return text.ToString();
    }

    static string Target(Figure one) => one.Target is { } target ? string.Create(CultureInfo.InvariantCulture, $"{one.Sense} {target:0.##}") : "–";

    static string Met(bool? met) => met switch { true => "yes", false => "**no**", null => "–" };
}
