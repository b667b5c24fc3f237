namespace PsMigrate.Bench.Report;

/// <summary>The part of a Markdown file that the bench writes: what is between two marks.</summary>
static class MarkedText
{
    const string Begin = "<!-- results: written by the bench -->";
    const string End = "<!-- end of results -->";

    /// <summary>Replaces it; a file that has no marks gets them, under a heading at its end. One that is not there is not made.</summary>
    public static void Replace(string file, string heading, string text)
    {
        if (!File.Exists(file)) return;
        var all = File.ReadAllText(file);
        if (!all.Contains(Begin, StringComparison.Ordinal)) all = $"{all.TrimEnd()}\n\n## {heading}\n\n{Begin}\n{End}\n";
        var (begin, end) = (all.IndexOf(Begin, StringComparison.Ordinal), all.IndexOf(End, StringComparison.Ordinal));
        if (end < begin) return;
        File.WriteAllText(file, $"{all[..(begin + Begin.Length)]}\n\n{text}\n{all[end..]}");
    }
}
