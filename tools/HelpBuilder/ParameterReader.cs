namespace PsMigrate.HelpBuilder;

/// <summary>Reads the PARAMETERS section: per parameter a text and a yaml block of facts.</summary>
static class ParameterReader
{
    static readonly string[] Keys =
    [
        "Type", "Parameter Sets", "Aliases", "Accepted values", "Applicable", "Required", "Position", "Default value",
        "Accept pipeline input", "Accept wildcard characters"
    ];

    public static IReadOnlyList<ParameterHelp> Read(MarkdownFile file, Section section) =>
        [.. Section.Split(file, section.Blocks, 3, section.Line).Where(s => s.Title != "CommonParameters").Select(s => Parameter(file, s))];

    static ParameterHelp Parameter(MarkdownFile file, Section section)
    {
        if (section.Title is not ['-', .. var name]) throw file.Error(section.Line, $"'### {section.Title}' is no parameter.");
        if (section.Blocks is not [.., Fence { Language: "yaml" } yaml])
            throw file.Error(section.Line, $"-{name} has no yaml block at its end.");
        var text = Prose.Of(section.Blocks.SkipLast(1));
        if (text.Count == 0) throw file.Error(section.Line, $"-{name} has no text.");
        return new ParameterHelp(section.Line, name, text, Facts(file, yaml));
    }

    static Dictionary<string, string> Facts(MarkdownFile file, Fence yaml)
    {
        Dictionary<string, string> facts = new(StringComparer.OrdinalIgnoreCase);
        var line = yaml.Line;
        foreach (var entry in yaml.Text.Split('\n'))
        {
            line++;
            if (string.IsNullOrWhiteSpace(entry)) continue;
            var parts = entry.Split(':', 2, StringSplitOptions.TrimEntries);
            if (parts.Length < 2 || !Keys.Contains(parts[0], StringComparer.OrdinalIgnoreCase))
                throw file.Error(line, $"'{entry.Trim()}' is no fact of a parameter.");
            if (!facts.TryAdd(parts[0], parts[1])) throw file.Error(line, $"'{parts[0]}' is there twice.");
        }

        return facts.GetValueOrDefault("Type") is { Length: > 0 } ? facts : throw file.Error(yaml.Line, "'Type' is missing.");
    }
}
