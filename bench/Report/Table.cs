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
                $"| {row.Work} | {row.Peer} | {row.Unit} | {Of(row.Ours)} | {Of(row.Theirs)} | **{row.Ratio:0.00}** | {Of(row.Target)} | {Of(row.Met)} | {row.N} | {row.Load} |");
        return text.ToString();
    }

    static string Of(Series series) => $"{Of(series.Min)} / {Of(series.Median)} / {Of(series.Max)}";

    static string Of(double value) => value.ToString(Math.Abs(value) switch { 0 => "0", < 10 => "0.00", < 100 => "0.0", _ => "0" }, CultureInfo.InvariantCulture);

    static string Of(double? target) => target is { } value ? string.Create(CultureInfo.InvariantCulture, $"≥ {value:0.0#}") : "–";

    static string Of(bool? met) => met switch { true => "yes", false => "**no**", null => "–" };
}
