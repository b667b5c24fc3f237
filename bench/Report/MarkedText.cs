namespace PsMigrate.Bench.Report;

/// <summary>The part of a Markdown file that the bench writes: what is between two marks.</summary>
static class MarkedText
{
    const string Begin = "<!-- results: written by the bench -->";
    const string End = "<!-- end of results -->";

    /// <summary>Replaces it. A file that is not there, or has no marks, stays as it is.</summary>
    public static void Replace(string file, string text)
    {
        if (!File.Exists(file)) return;
        var all = File.ReadAllText(file);
        var (begin, end) = (all.IndexOf(Begin, StringComparison.Ordinal), all.IndexOf(End, StringComparison.Ordinal));
        if (begin < 0 || end < begin) return;
        File.WriteAllText(file, $"{all[..(begin + Begin.Length)]}\n\n{text}\n{all[end..]}");
    }
}
