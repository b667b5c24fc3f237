using System.Text;

namespace PsMigrate.HelpBuilder;

/// <summary>Writes an about_ topic as text for a console of 80 columns.</summary>
static class AboutWriter
{
    const int Width = 80;
    const string Indent = "    ";

    /// <remarks>PowerShell takes the line below SHORT DESCRIPTION, the fifth, as the synopsis of the topic.</remarks>
    public static string Write(MarkdownFile file)
    {
        if (file.Blocks is not [Heading { Level: 1 } title, Heading { Level: 2 } first, Paragraph, ..]
            || title.Text != file.Name || !string.Equals(first.Text, "SHORT DESCRIPTION", StringComparison.OrdinalIgnoreCase))
            throw file.Error(file.FirstLine,
                $"The file has to begin with '# {file.Name}', then '## SHORT DESCRIPTION' and its text.");

        var text = new StringBuilder();
        text.Append("TOPIC\n").Append(Indent).Append(title.Text).Append('\n');
        Block previous = title;
        foreach (var block in file.Blocks.Skip(1))
        {
            var isTight = block is ListItem && previous is ListItem || previous is Heading { Level: 2 };
            if (!isTight) text.Append('\n');
            foreach (var line in Lines(block)) text.Append(line.TrimEnd()).Append('\n');
            previous = block;
        }

        return text.ToString();
    }

    static IEnumerable<string> Lines(Block block) => block switch
    {
        Heading { Level: <= 2 } heading => [PlainText.Of(heading.Text).ToUpperInvariant()],
        Heading heading => ["  " + PlainText.Of(heading.Text)],
        Paragraph paragraph => Wrap(paragraph.Text, Indent, Indent),
        ListItem item => Wrap(item.Text, Start(item), new string(' ', Start(item).Length)),
        Fence fence => fence.Text.Split('\n').Select(line => Indent + Indent + line),
        Table table => TextTable.Lines(table, Width - Indent.Length).Select(line => Indent + line),
        _ => []
    };

    static string Start(ListItem item) => $"{Indent}{new string(' ', item.Indent)}{item.Marker} ";

    static IEnumerable<string> Wrap(string markdown, string first, string rest) =>
        TextWrap.Lines(PlainText.Of(markdown), Width - first.Length).Select((line, i) => (i == 0 ? first : rest) + line);
}
