using System.Management.Automation;
using System.Text.RegularExpressions;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>Fills <c>&lt;name&gt;</c> and <c>&lt;name.Property&gt;</c> in the name of a test from its -ForEach data.</summary>
/// <remarks>
/// Pester reads any variable of the running test here and puts nothing where there is none. A name has to be known before the
/// test runs, so only the data count; anything else in angle brackets is refused rather than lost.
/// </remarks>
static partial class NameTemplate
{
    public static string Expand(string name, IEnumerable<KeyValuePair<string, object?>> variables, string file, int line)
    {
        if (!name.Contains('<', StringComparison.Ordinal)) return name;
        var known = new Dictionary<string, object?>(StringComparer.OrdinalIgnoreCase);
        foreach (var (key, value) in variables) known[key] = value;

        foreach (Match template in Template().Matches(name))
            if (!known.ContainsKey(Root().Match(template.Groups[1].Value).Value))
                throw new PesterRefusedException(
                    $"{template.Value} in the name of the test is not a value of -ForEach; Pester would leave a gap there. "
                    + $"Write `<…`> for angle brackets ({file}:{line}).");

        // The same text as Pester makes of it: an expandable string of subexpressions.
        var text = name.Replace("$", "`$", StringComparison.Ordinal).Replace("\"", "`\"", StringComparison.Ordinal);
        var script = ScriptBlock.Create($"\"{Template().Replace(text, "$($$$1)")}\"");
        var values = known.Select(pair => new PSVariable(pair.Key, pair.Value)).ToList();
        return script.InvokeWithContext(null, values).Single().ToString();
    }

    [GeneratedRegex("(?<!`)<([^>^`]+)>")]
    private static partial Regex Template();

    [GeneratedRegex(@"^\w+")]
    private static partial Regex Root();
}
