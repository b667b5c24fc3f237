namespace PsMigrate.HelpBuilder;

/// <summary>Makes the help of a cmdlet out of its Markdown, in the layout of PlatyPS.</summary>
static class CommandReader
{
    static readonly string[] Needed = ["SYNOPSIS", "SYNTAX", "DESCRIPTION", "EXAMPLES", "PARAMETERS"];
    static readonly string[] Known = [.. Needed, "INPUTS", "OUTPUTS", "NOTES", "RELATED LINKS"];

    public static CommandHelp Read(MarkdownFile file)
    {
        var helpFile = FrontMatter(file, "external help file");
        FrontMatter(file, "Module Name");
        if (FrontMatter(file, "schema") != "2.0.0") throw file.Error(1, "Only 'schema: 2.0.0' is understood.");
        if (file.Blocks is not [Heading { Level: 1 } title, ..] || title.Text != file.Name)
            throw file.Error(file.FirstLine, $"The file has to begin with '# {file.Name}'.");

        var sections = Section.Split(file, file.Blocks.Skip(1), level: 2, title.Line)
            .ToDictionary(s => s.Title, StringComparer.OrdinalIgnoreCase);
        if (sections.Values.FirstOrDefault(s => !Known.Contains(s.Title)) is { } odd)
            throw file.Error(odd.Line, $"'## {odd.Title}' is no section of cmdlet help.");
        foreach (var needed in Needed)
            if (!sections.TryGetValue(needed, out var section) || section.Blocks.Count == 0)
                throw file.Error(section?.Line ?? title.Line, $"'## {needed}' is missing or empty.");

        Section Get(string name) => sections.GetValueOrDefault(name, new Section(title.Line, name, []));
        var parameters = ParameterReader.Read(file, Get("PARAMETERS"));
        return new CommandHelp(file.Path, file.Name, helpFile)
        {
            Synopsis = Text(file, Get("SYNOPSIS")),
            Description = Text(file, Get("DESCRIPTION")),
            Syntax = SyntaxReader.Read(file, Get("SYNTAX"), parameters),
            Examples = [.. Section.Split(file, Get("EXAMPLES").Blocks, 3, Get("EXAMPLES").Line).Select(s => Example(file, s))],
            Parameters = parameters,
            Inputs = Types(file, Get("INPUTS")),
            Outputs = Types(file, Get("OUTPUTS")),
            Notes = Prose.Of(Get("NOTES").Blocks),
            Links = [.. Prose.Links(Get("RELATED LINKS").Blocks)]
        };
    }

    static IReadOnlyList<string> Text(MarkdownFile file, Section section) => Prose.Of(section.Blocks) is { Count: > 0 } text
        ? text
        : throw file.Error(section.Line, $"'{section.Title}' has no text.");

    static ExampleHelp Example(MarkdownFile file, Section section)
    {
        var code = section.Blocks.OfType<Fence>().FirstOrDefault()
            ?? throw file.Error(section.Line, $"'{section.Title}' shows no command.");
        var at = section.Blocks.ToList().IndexOf(code);
        var (before, after) = (Prose.Of(section.Blocks.Take(at)), Prose.Of(section.Blocks.Skip(at + 1)));
        if (before.Count + after.Count == 0) throw file.Error(section.Line, $"'{section.Title}' has no text.");
        return new ExampleHelp(PlainText.Of(section.Title), before, code.Text, after);
    }

    static TypeHelp[] Types(MarkdownFile file, Section section) =>
        [.. Section.Split(file, section.Blocks, 3, section.Line).Select(s => new TypeHelp(PlainText.Of(s.Title), Prose.Of(s.Blocks)))];

    static string FrontMatter(MarkdownFile file, string key) => file.FrontMatter.TryGetValue(key, out var value) && value.Length > 0
        ? value
        : throw file.Error(1, $"The front matter lacks '{key}'.");
}
