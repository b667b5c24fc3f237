using System.Text.RegularExpressions;

namespace PsMigrate.HelpBuilder;

/// <summary>Reads the SYNTAX section, and checks that it and the parameters tell the same.</summary>
static partial class SyntaxReader
{
    public static IReadOnlyList<SyntaxHelp> Read(MarkdownFile file, Section section, IReadOnlyList<ParameterHelp> parameters)
    {
        // A cmdlet with one parameter set needs no heading for it.
        SyntaxHelp[] sets = section.Blocks is [Fence only]
            ? [Line(file, null, only)]
            : [.. Section.Split(file, section.Blocks, 3, section.Line).Select(s => s.Blocks is [Fence fence]
                ? Line(file, s.Title.Replace("(Default)", "", StringComparison.OrdinalIgnoreCase).Trim(), fence)
                : throw file.Error(s.Line, $"'{s.Title}' has to hold one code block."))];

        foreach (var set in sets)
        {
            foreach (var used in set.Parameters)
                if (!Describes(parameters, used.Name)) throw file.Error(set.Line, $"-{used.Name} is not described below.");
            foreach (var parameter in parameters)
                if (BelongsTo(parameter, set) != set.Parameters.Any(p => IsSame(p.Name, parameter.Name)))
                    throw file.Error(parameter.Line, $"-{parameter.Name}: its 'Parameter Sets' and the syntax of line {set.Line} differ.");
        }

        foreach (var parameter in parameters)
            foreach (var name in parameter.Sets)
                if (sets.All(s => s.SetName is not null && !IsSame(s.SetName, name)))
                    throw file.Error(parameter.Line, $"-{parameter.Name} is in parameter set {name}, which is not in the syntax.");
        return sets;
    }

    static SyntaxHelp Line(MarkdownFile file, string? set, Fence fence)
    {
        var text = Whitespace().Replace(fence.Text.Trim(), " ");
        if (text.Split(' ')[0] != file.Name) throw file.Error(fence.Line, $"The syntax has to begin with {file.Name}.");
        return new SyntaxHelp(fence.Line, set, [.. Parameter().Matches(text[file.Name.Length..]).Select(Parse)]);
    }

    /// <summary>[[-Name] &lt;T&gt;], [-Name] &lt;T&gt;, [-Name &lt;T&gt;], [-Switch], -Name &lt;T&gt; and -Switch.</summary>
    static SyntaxParameter Parse(Match match)
    {
        var (open, close) = (match.Groups["open"].Value, match.Groups["close"].Value);
        var value = match.Groups["value"] is { Success: true } found ? found.Value.Trim('<', '>', '{', '}', ' ') : null;
        var isPositional = match.Groups["mid"].Success && value is not null;
        var isRequired = isPositional ? open == "[" : open.Length == 0 && close.Length == 0;
        return new SyntaxParameter(match.Groups["name"].Value, isRequired, isPositional, value);
    }

    static bool Describes(IReadOnlyList<ParameterHelp> parameters, string name) =>
        ParameterHelp.Standard(name) is not null || parameters.Any(p => IsSame(p.Name, name));

    static bool BelongsTo(ParameterHelp parameter, SyntaxHelp set) =>
        parameter.Sets.Count == 0 || set.SetName is null || parameter.Sets.Contains(set.SetName, StringComparer.OrdinalIgnoreCase);

    static bool IsSame(string a, string b) => string.Equals(a, b, StringComparison.OrdinalIgnoreCase);

    [GeneratedRegex(@"(?<open>\[{0,2})-(?<name>\w+)(?:(?<mid>\])(?= [<{]))?(?: (?<value><[^>]+>|\{[^}]+\}))?(?<close>\]?)")]
    private static partial Regex Parameter();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Whitespace();
}
