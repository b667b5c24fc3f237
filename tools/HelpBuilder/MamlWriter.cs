using System.Xml.Linq;

namespace PsMigrate.HelpBuilder;

/// <summary>Writes help in the XML that Get-Help reads for cmdlets of an assembly.</summary>
static class MamlWriter
{
    static readonly XNamespace Items = "http://msh";
    static readonly XNamespace Maml = "http://schemas.microsoft.com/maml/2004/10";
    static readonly XNamespace Command = "http://schemas.microsoft.com/maml/dev/command/2004/10";
    static readonly XNamespace Dev = "http://schemas.microsoft.com/maml/dev/2004/10";

    public static XDocument Write(IEnumerable<CommandHelp> commands) => new(
        new XDeclaration("1.0", "utf-8", null),
        new XElement(Items + "helpItems", new XAttribute("schema", "maml"), commands.Select(Write)));

    static XElement Write(CommandHelp help) => new(Command + "command",
        new XAttribute(XNamespace.Xmlns + "maml", Maml),
        new XAttribute(XNamespace.Xmlns + "command", Command),
        new XAttribute(XNamespace.Xmlns + "dev", Dev),
        new XElement(Command + "details",
            new XElement(Command + "name", help.Name),
            new XElement(Command + "verb", help.Name.Split('-', 2)[0]),
            new XElement(Command + "noun", help.Name.Split('-', 2)[1]),
            Text(Maml + "description", help.Synopsis)),
        Text(Maml + "description", help.Description),
        new XElement(Command + "syntax", help.Syntax.Select(set => Syntax(help, set))),
        new XElement(Command + "parameters", help.Parameters.Select(p => Parameter(p, p.IsRequired, p.Position, null))),
        new XElement(Command + "inputTypes", help.Inputs.Select(type => Type(Command + "inputType", type))),
        new XElement(Command + "returnValues", help.Outputs.Select(type => Type(Command + "returnValue", type))),
        new XElement(Maml + "alertSet", Text(Maml + "alert", help.Notes)),
        new XElement(Command + "examples", help.Examples.Select(Example)),
        new XElement(Command + "relatedLinks", help.Links.Select(link => new XElement(Maml + "navigationLink",
            new XElement(Maml + "linkText", link.Text),
            new XElement(Maml + "uri", link.Uri)))));

    static XElement Syntax(CommandHelp help, SyntaxHelp set) => new(Command + "syntaxItem",
        new XElement(Maml + "name", help.Name),
        set.Parameters.Select(used => Parameter(
            help.Parameter(used.Name)!, used.IsRequired, used.IsPositional ? Position(help, set, used) : "named", used.Value)));

    /// <summary>The position that the parameter states; where sets differ in it, the one that it has in this line.</summary>
    static string Position(CommandHelp help, SyntaxHelp set, SyntaxParameter used) =>
        help.Parameter(used.Name)!.Position is var stated and not "named"
            ? stated
            : set.Parameters.Where(p => p.IsPositional).TakeWhile(p => p != used).Count()
                .ToString(System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>A parameter of the syntax (which shows its value as written there) or of the list (with all that is known).</summary>
    static XElement Parameter(ParameterHelp help, bool isRequired, string position, string? shownValue) => new(Command + "parameter",
        new XAttribute("required", isRequired ? "true" : "false"),
        new XAttribute("variableLength", "true"),
        new XAttribute("globbing", help.TakesWildcards ? "true" : "false"),
        new XAttribute("pipelineInput", help.PipelineInput),
        new XAttribute("position", position),
        new XAttribute("aliases", help.Aliases),
        new XElement(Maml + "name", help.Name),
        Text(Maml + "description", help.Text),
        help.AcceptedValues.Count == 0
            ? null
            : new XElement(Command + "parameterValueGroup", help.AcceptedValues.Select(value =>
                new XElement(Command + "parameterValue", new XAttribute("required", "false"),
                    new XAttribute("variableLength", "false"), value))),
        help.IsSwitch
            ? null
            : new XElement(Command + "parameterValue", new XAttribute("required", "true"),
                new XAttribute("variableLength", "false"), shownValue ?? help.Type),
        new XElement(Dev + "type", new XElement(Maml + "name", help.Type), new XElement(Maml + "uri")),
        new XElement(Dev + "defaultValue", help.DefaultValue));

    static XElement Type(XName name, TypeHelp type) => new(name,
        new XElement(Dev + "type", new XElement(Maml + "name", type.Name)),
        Text(Maml + "description", type.Text));

    static XElement Example(ExampleHelp example) => new(Command + "example",
        new XElement(Maml + "title", $"--- {example.Title} ---"),
        Text(Maml + "introduction", Paragraphs(example.Introduction, end: "\n\n")),
        new XElement(Dev + "code", example.Code),
        Text(Dev + "remarks", Paragraphs(example.Remarks, end: "\n\u00A0")));

    /// <summary>One paragraph of lines: within examples PowerShell itself puts nothing between text, command and next example.</summary>
    static IEnumerable<string> Paragraphs(IReadOnlyList<string> text, string end) =>
        text.Count == 0 ? [] : [string.Join("\n\n", text) + end];

    static XElement Text(XName name, IEnumerable<string> paragraphs) =>
        new(name, paragraphs.Select(text => new XElement(Maml + "para", text)));
}
