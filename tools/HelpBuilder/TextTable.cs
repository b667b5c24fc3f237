namespace PsMigrate.HelpBuilder;

/// <summary>A table as aligned columns of text; the last column takes what is left of the width, and wraps.</summary>
static class TextTable
{
    const string Gap = "  ";
    const int NarrowestLast = 20;

    public static IEnumerable<string> Lines(Table table, int width)
    {
        var rows = table.Rows.Select(row => row.Select(PlainText.Of).ToArray()).ToArray();
        if (rows.Length == 0) return [];
        var columns = rows.Max(row => row.Length);
        var widths = Enumerable.Range(0, columns).Select(c => rows.Max(row => row.ElementAtOrDefault(c)?.Length ?? 0)).ToArray();
        var before = widths[..^1].Sum(w => w + Gap.Length);
        widths[^1] = Math.Max(NarrowestLast, Math.Min(widths[^1], width - before));
        var rule = widths.Select(w => new string('-', w)).ToArray();
        return rows.Take(1).Append(rule).Concat(rows.Skip(1)).SelectMany(row => Row(row, widths, before));
    }

    static IEnumerable<string> Row(string[] cells, int[] widths, int before)
    {
        var start = string.Concat(widths[..^1].Select((w, c) => (cells.ElementAtOrDefault(c) ?? "").PadRight(w) + Gap));
        foreach (var line in TextWrap.Lines(cells.Length == widths.Length ? cells[^1] : "", widths[^1]).DefaultIfEmpty(""))
        {
            yield return (start + line).TrimEnd();
            start = new string(' ', before);
        }
    }
}
