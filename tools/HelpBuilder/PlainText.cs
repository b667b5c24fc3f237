using System.Globalization;
using System.Text.RegularExpressions;

namespace PsMigrate.HelpBuilder;

/// <summary>Takes the marks of Markdown out of running text, for readers of a console.</summary>
static partial class PlainText
{
    public static string Of(string markdown)
    {
        // Code is taken out first and put back last: what looks like a mark inside it is none.
        List<string> code = [];
        var text = Code().Replace(markdown, match =>
        {
            code.Add(match.Groups[2].Value.Trim());
            return $"\u0001{code.Count - 1}\u0002";
        });
        text = Link().Replace(text, match => match.Groups[2].Value.StartsWith("http", StringComparison.OrdinalIgnoreCase)
            && match.Groups[1].Value != match.Groups[2].Value
                ? $"{match.Groups[1].Value} ({match.Groups[2].Value})"
                : match.Groups[1].Value);
        text = Strong().Replace(text, "$2");
        text = Emphasis().Replace(text, "$2");
        text = Escape().Replace(text, "$1");
        return Placeholder().Replace(text, match => code[int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)]);
    }

    [GeneratedRegex("(`+)(.+?)\\1")]
    private static partial Regex Code();

    [GeneratedRegex(@"(?<!\\)\[([^\]]+)\]\(([^)]*)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"(?<!\\)(\*\*|__)(?=\S)(.+?)(?<=\S)\1")]
    private static partial Regex Strong();

    [GeneratedRegex(@"(?<![\w\\*])([*_])(?=\S)([^*_]+?)(?<=\S)\1(?![\w*])")]
    private static partial Regex Emphasis();

    [GeneratedRegex(@"\\([\\`*_{}\[\]()#+\-.!<>|])")]
    private static partial Regex Escape();

    [GeneratedRegex("\u0001(\\d+)\u0002")]
    private static partial Regex Placeholder();
}
