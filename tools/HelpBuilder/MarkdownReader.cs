using System.Text.RegularExpressions;

namespace PsMigrate.HelpBuilder;

/// <summary>Reads the part of Markdown that help is written in: headings, paragraphs, lists, tables and fenced code.</summary>
sealed partial class MarkdownReader
{
    readonly string _path;
    readonly string[] _lines;
    readonly Dictionary<string, string> _frontMatter = new(StringComparer.OrdinalIgnoreCase);
    readonly List<Block> _blocks = [];
    int _at;

    MarkdownReader(string path, string[] lines) => (_path, _lines) = (path, lines);

    string Line => _lines[_at];

    public static MarkdownFile Read(string path) => Parse(path, File.ReadAllLines(path));

    public static MarkdownFile Parse(string path, string[] lines)
    {
        var reader = new MarkdownReader(path, lines);
        reader.ReadFrontMatter();
        while (reader._at < lines.Length) reader.ReadBlock();
        return new MarkdownFile(path, reader._frontMatter, reader._blocks);
    }

    void ReadFrontMatter()
    {
        if (_lines.Length == 0 || _lines[0].Trim() != "---") return;
        for (_at = 1; _at < _lines.Length && Line.Trim() != "---"; _at++)
        {
            var parts = Line.Split(':', 2, StringSplitOptions.TrimEntries);
            if (parts.Length == 2) _frontMatter[parts[0]] = parts[1];
        }

        if (_at == _lines.Length) throw new HelpException(_path, 1, "The front matter has no end.");
        _at++;
    }

    void ReadBlock()
    {
        var line = Line;
        if (string.IsNullOrWhiteSpace(line) || line.StartsWith("<!--", StringComparison.Ordinal)) _at++;
        else if (IsFence(line)) ReadFence();
        else if (HeadingLine().Match(line) is { Success: true } heading)
            _blocks.Add(new Heading(++_at, heading.Groups[1].Length, heading.Groups[2].Value.Trim()));
        else if (line.TrimStart().StartsWith('|')) ReadTable();
        else ReadText();
    }

    void ReadFence()
    {
        var start = _at;
        var indent = Line.Length - Line.TrimStart().Length;
        var mark = FenceMark().Match(Line).Groups[1].Value;
        var language = Line.Trim()[mark.Length..].Trim();
        List<string> inside = [];
        for (_at++; _at < _lines.Length; _at++)
        {
            if (FenceMark().Match(Line).Groups[1].Value == mark)
            {
                // Another fence that opens inside means that this one was never closed.
                if (Line.Trim() != mark) break;
                _at++;
                _blocks.Add(new Fence(start + 1, language, string.Join('\n', inside)));
                return;
            }

            inside.Add(Line.Length >= indent && string.IsNullOrWhiteSpace(Line[..indent]) ? Line[indent..] : Line);
        }

        throw new HelpException(_path, start + 1, "This code fence has no end.");
    }

    void ReadTable()
    {
        var start = _at;
        List<string[]> rows = [];
        for (; _at < _lines.Length && Line.TrimStart().StartsWith('|'); _at++)
        {
            var cells = CellBreak().Split(Line.Trim().Trim('|'))
                .Select(c => c.Trim().Replace("\\|", "|", StringComparison.Ordinal)).ToArray();
            if (!cells.All(c => RuleCell().IsMatch(c))) rows.Add(cells);
        }

        _blocks.Add(new Table(start + 1, rows));
    }

    /// <summary>A paragraph, or a list item with the lines that belong to it.</summary>
    void ReadText()
    {
        var start = _at;
        var item = ItemLine().Match(Line);
        List<string> text = [item.Success ? item.Groups[3].Value : Line.Trim()];
        for (_at++; _at < _lines.Length && Continues(Line); _at++) text.Add(Line.Trim());
        var joined = string.Join(' ', text);
        _blocks.Add(item.Success
            ? new ListItem(start + 1, item.Groups[1].Length, item.Groups[2].Value, joined)
            : new Paragraph(start + 1, joined));
    }

    static bool Continues(string line) => !string.IsNullOrWhiteSpace(line) && !IsFence(line) && !HeadingLine().IsMatch(line)
        && !ItemLine().IsMatch(line) && !line.TrimStart().StartsWith('|');

    static bool IsFence(string line) => FenceMark().IsMatch(line);

    [GeneratedRegex(@"^\s*(`{3,})")]
    private static partial Regex FenceMark();

    [GeneratedRegex(@"^(#{1,6})\s+(.+?)\s*$")]
    private static partial Regex HeadingLine();

    [GeneratedRegex(@"^(\s*)([-*+]|\d+\.)\s+(.*)$")]
    private static partial Regex ItemLine();

    [GeneratedRegex(@"(?<!\\)\|")]
    private static partial Regex CellBreak();

    [GeneratedRegex("^:?-+:?$")]
    private static partial Regex RuleCell();
}
