using System.Xml.Linq;
using PsMigrate.HelpBuilder;

namespace PsMigrate.ModuleTests;

/// <summary>Markdown help becomes the help that Get-Help shows, or an error that names its line.</summary>
public sealed class HelpBuilderTests
{
    [Fact]
    public void A_whole_file_is_read_with_everything_in_it()
    {
        var help = HelpFixture.Read(HelpFixture.Markdown);
        Assert.Equal("Gets a sample of things.", Assert.Single(help.Synopsis));
        Assert.Equal(
            ["The Get-Sample cmdlet gets samples. A rate is 100MB/s, a name has a star_like_this * or *.",
                "- First point that goes on in the next line.", "- Second point."],
            help.Description);
        Assert.Equal(["ByName", "ById"], help.Syntax.Select(s => s.SetName));
        Assert.Equal(
            [new("Name", false, true, "String[]"), new("Kind", false, false, "Kind"), new("Force", false, false, null),
                new("WhatIf", false, false, null)],
            help.Syntax[0].Parameters);
        Assert.Equal(new SyntaxParameter("Id", true, false, "Int32"), help.Syntax[1].Parameters[0]);
        Assert.Equal(["Force", "Id", "Kind", "Name"], help.Parameters.Select(p => p.Name));
        Assert.Equal("Get-Sample web01 |\n    Where-Object Kind -eq 'Big'", help.Examples[0].Code);
        Assert.Contains("web01 Big", Assert.Single(help.Examples[0].Remarks), StringComparison.Ordinal);
        Assert.Equal([new("Set-Sample", ""), new("Online", "https://example.org/sample")], help.Links);
    }

    [Theory]
    [InlineData("[-Name] <T>", true, true, "T")]
    [InlineData("[[-Name] <T>]", false, true, "T")]
    [InlineData("-Name <T>", true, false, "T")]
    [InlineData("[-Name <T>]", false, false, "T")]
    [InlineData("[-Name]", false, false, null)]
    [InlineData("-Name", true, false, null)]
    [InlineData("[-Name {A | B}]", false, false, "A | B")]
    public void Brackets_tell_what_is_optional_and_what_may_be_left_unnamed(string text, bool isRequired, bool isPositional, string? value)
    {
        var file = HelpFixture.Parse("Get-Sample.md", $"## SYNTAX\n```\nGet-Sample {text} [<CommonParameters>]\n```");
        ParameterHelp described = new(1, "Name", ["Text."], new Dictionary<string, string> { ["Type"] = "T" });
        var syntax = Assert.Single(SyntaxReader.Read(file, Section.Split(file, file.Blocks, 2, 1)[0], [described]));
        Assert.Equal(new SyntaxParameter("Name", isRequired, isPositional, value), Assert.Single(syntax.Parameters));
    }

    [Fact]
    public void The_xml_holds_names_texts_and_facts()
    {
        var xml = MamlWriter.Write([HelpFixture.Read(HelpFixture.Markdown)]);
        var parameters = Elements(xml, "parameters").Single();
        var kind = Elements(parameters, "parameter").Single(p => Elements(p, "name").First().Value == "Kind");
        Assert.Equal("Sort, Type", (string?)kind.Attribute("aliases"));
        Assert.Equal(["Which kind.", "It may be any."], Elements(kind, "para").Select(e => e.Value));
        Assert.Equal(["Big", "Small"], Elements(Elements(kind, "parameterValueGroup").Single(), "parameterValue").Select(e => e.Value));
        var name = Elements(xml, "syntaxItem").First().Elements().First(e => e.Name.LocalName == "parameter");
        Assert.Equal(("0", "True (ByValue)"), ((string?)name.Attribute("position"), (string?)name.Attribute("pipelineInput")));
        Assert.Equal(4, Elements(xml, "syntaxItem").First().Elements().Count(e => e.Name.LocalName == "parameter"));
    }

    [Theory]
    [InlineData("## SYNOPSIS", "## Synopsis of it", "'## Synopsis of it' is no section", 10)]
    [InlineData("## SYNOPSIS\n\nGets a **sample** of [things](about_Things.md).\n\n", "", "'## SYNOPSIS' is missing", 8)]
    [InlineData("Also the hidden ones.\n", "", "-Force has no text", 63)]
    [InlineData("Accept wildcard characters: True\n```\n", "", "This code fence has no end", 118)]
    [InlineData("Get-Sample web01 |\n    Where-Object Kind -eq 'Big'\n```\n", "Get-Sample\n", "This code fence has no end", 42)]
    [InlineData("```powershell\nGet-Sample\n```\n\n", "", "shows no command", 53)]
    [InlineData("Position: 0", "Place: 0", "'Place: 0' is no fact", 124)]
    [InlineData("[-Kind <Kind>] [-Force] [-WhatIf]", "[-Force] [-WhatIf]", "-Kind: its 'Parameter Sets' and the syntax", 95)]
    [InlineData("[-Force] [-WhatIf]", "[-Force] [-Fast]", "-Fast is not described", 18)]
    [InlineData("Parameter Sets: ById", "Parameter Sets: ByAge", "differ", 79)]
    [InlineData("# Get-Sample\n", "# Get-Example\n", "has to begin with '# Get-Sample'", 8)]
    [InlineData("Module Name: Sample", "Author: me", "lacks 'Module Name'", 1)]
    [InlineData("schema: 2.0.0\n---", "schema: 2.0.0", "front matter has no end", 1)]
    [InlineData("### -Id", "### -Force", "'-Force' is there twice", 79)]
    public void Damage_is_an_error_that_names_its_line(string part, string damage, string message, int line)
    {
        Assert.Contains(part, HelpFixture.Markdown, StringComparison.Ordinal);
        var damaged = HelpFixture.Markdown.Replace(part, damage, StringComparison.Ordinal);
        var error = Assert.Throws<HelpException>(() => HelpFixture.Read(damaged));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.StartsWith($"Get-Sample.md:{line}:", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_code_fence_without_an_end_is_an_error()
    {
        var last = HelpFixture.Markdown + "\n\n```powershell\nGet-Sample\n";
        var error = Assert.Throws<HelpException>(() => HelpFixture.Read(last));
        Assert.Contains("This code fence has no end", error.Message, StringComparison.Ordinal);
    }

    static IEnumerable<XElement> Elements(XContainer container, string name) =>
        container.Descendants().Where(e => e.Name.LocalName == name);
}
