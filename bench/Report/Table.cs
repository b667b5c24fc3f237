using System.Globalization;
using System.Text;

namespace PsMigrate.Bench.Report;

/// <summary>Rows as Markdown.</summary>
static class Table
{
    public static string Markdown(IEnumerable<Row> rows)
    {
        var text = new StringBuilder();
        text.AppendLine("| work | against | unit | ours min / median / max | theirs min / median / max | ratio | target | met | n | load |");
        text.AppendLine("|---|---|---|---|---|---|---|---|---|---|");
        foreach (var row in rows)
            text.AppendLine(CultureInfo.InvariantCulture,
                $"| {row.Work} | {row.Peer} | {row.Unit} | {Of(row.Ours)} | {Of(row.Theirs)} | **{Of(row.Ratio)}** | {Target(row)} | {Of(row.Met)} | {row.N} | {row.Load} |");
        return text.ToString();
    }

    /// <summary>What rows say beside their figures, as a list: of all, or of those that miss their target.</summary>
    public static string Notes(IEnumerable<Row> rows, bool onlyMissed)
    {
        var text = new StringBuilder();
        foreach (var row in rows)
            if (row.Note is { } note && (row.Met == false || !onlyMissed)) text.AppendLine(CultureInfo.InvariantCulture, $"- {row.Work}, against {row.Peer}: {note}");
        return text.ToString();
    }

    static string Of(Series? series) => series is null ? "–" : $"{Of(series.Min)} / {Of(series.Median)} / {Of(series.Max)}";

    static string Of(double value) => value.ToString(Math.Abs(value) switch { 0 => "0", < 0.1 => "0.0000", < 10 => "0.00", < 100 => "0.0", _ => "0" }, CultureInfo.InvariantCulture);

    static string Target(Row row) => row.Target is { } value ? string.Create(CultureInfo.InvariantCulture, $"{row.Sense} {value:0.0#}") : "–";

    static string Of(bool? met) => met switch { true => "yes", false => "**no**", null => "–" };
}
