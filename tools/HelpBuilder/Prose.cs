using System.Text.RegularExpressions;

namespace PsMigrate.HelpBuilder;

/// <summary>Pieces of Markdown as the paragraphs that Get-Help shows.</summary>
static partial class Prose
{
    public static IReadOnlyList<string> Of(IEnumerable<Block> blocks) => [.. blocks.SelectMany(Lines)];

    /// <summary>The links of a section, each on a line or in a list item of its own.</summary>
    public static IEnumerable<LinkHelp> Links(IEnumerable<Block> blocks)
    {
        foreach (var block in blocks)
        {
            var text = block switch
            {
                Paragraph paragraph => paragraph.Text,
                ListItem item => item.Text,
                _ => ""
            };
            var links = Link().Matches(text);
            foreach (Match link in links) yield return new LinkHelp(link.Groups[1].Value, Address(link.Groups[2].Value));
            if (links.Count == 0 && text.Length > 0) yield return new LinkHelp(PlainText.Of(text), "");
        }
    }

    static IEnumerable<string> Lines(Block block) => block switch
    {
        Paragraph paragraph => [PlainText.Of(paragraph.Text)],
        ListItem item => [$"{new string(' ', item.Indent)}{item.Marker} {PlainText.Of(item.Text)}"],
        Heading heading => [PlainText.Of(heading.Text)],
        Fence fence => [fence.Text],
        Table table => [string.Join('\n', TextTable.Lines(table, width: 76))],
        _ => []
    };

    /// <summary>A link within the docs leads nowhere from a console; the name of its target does.</summary>
    static string Address(string target) => target.StartsWith("http", StringComparison.OrdinalIgnoreCase) ? target : "";

    [GeneratedRegex(@"\[([^\]]+)\]\(([^)]*)\)")]
    private static partial Regex Link();
}
