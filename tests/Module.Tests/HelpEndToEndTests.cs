using PsMigrate.HelpBuilder;

namespace PsMigrate.ModuleTests;

/// <summary>What the builder writes is shown by the engine's own Get-Help.</summary>
public sealed class HelpEndToEndTests : IDisposable
{
    readonly PesterSandbox _sandbox = new();

    public void Dispose() => _sandbox.Dispose();

    [Fact]
    public void Get_Help_shows_what_was_written()
    {
        var folder = Path.GetDirectoryName(_sandbox.Write("Get-Sample.md", HelpFixture.Markdown))!;
        _sandbox.Write("about_Things.md", "# about_Things\n\n## SHORT DESCRIPTION\n\nWhat things are.\n");
        var written = HelpFolder.Build(folder, Path.Combine(folder, "en-US"));
        Assert.Equal(["Sample.dll-Help.xml", "about_Things.help.txt"], written.Select(Path.GetFileName));

        // A function may name a help file of cmdlets, so that no assembly has to be made for this.
        _sandbox.Write("Sample.psm1", """
            # .EXTERNALHELP Sample.dll-Help.xml
            function Get-Sample {
                [CmdletBinding(DefaultParameterSetName = 'ByName', SupportsShouldProcess)]
                param(
                    [Parameter(ParameterSetName = 'ByName', Position = 0, ValueFromPipeline)][string[]] $Name,
                    [Parameter(ParameterSetName = 'ById', Mandatory)][int] $Id,
                    [string] $Kind, [switch] $Force)
            }
            """);
        _sandbox.AllPass("""
            BeforeAll {
                Import-Module $PSScriptRoot/Sample.psm1
                $help = Get-Help Get-Sample -Full
            }
            Describe 'Get-Help' {
                It 'shows synopsis and description' {
                    $help.Synopsis | Should -Be 'Gets a sample of things.'
                    $help.description.Text | Should -HaveCount 3
                    $help.description[2].Text | Should -Be '- Second point.'
                }
                It 'shows both parameter sets' {
                    $help.syntax.syntaxItem | Should -HaveCount 2
                    $help.syntax.syntaxItem[0].parameter.name | Should -Be @('Name', 'Kind', 'Force', 'WhatIf')
                    $help.syntax.syntaxItem[1].parameter[0].required | Should -Be 'true'
                }
                It 'shows each parameter' {
                    (Get-Help Get-Sample -Parameter *).name | Should -Be @('Force', 'Id', 'Kind', 'Name')
                    $kind = Get-Help Get-Sample -Parameter Kind
                    ($kind.description.Text -join '|') | Should -BeLike 'Which kind.*|It may be any.*'
                    $kind.defaultValue | Should -Be 'Big'
                    $kind.aliases | Should -Be 'Sort, Type'
                    (Get-Help Get-Sample -Parameter Name).globbing | Should -Be 'true'
                }
                It 'shows the examples' {
                    $examples = (Get-Help Get-Sample -Examples).examples.example
                    $examples | Should -HaveCount 2
                    $examples[0].title | Should -BeLike '*Example 1: Get one*'
                    $examples[0].code | Should -BeLike 'Get-Sample web01*Big*'
                    $examples[1].remarks.Text | Should -BeLike 'Without a name it gets all of them.*'
                }
                It 'shows types, notes and links' {
                    $help.inputTypes.inputType.type.name | Should -Be 'System.String'
                    $help.returnValues.returnValue.type.name | Should -Be 'Sample.Thing'
                    $help.alertSet.alert.Text | Should -Be 'Mind the gap.'
                    $help.relatedLinks.navigationLink.linkText | Should -Be @('Set-Sample', 'Online')
                }
            }
            """);
    }
}
