using PsMigrate.HelpBuilder;

namespace PsMigrate.ModuleTests;

/// <summary>A small but whole help file, to be damaged at will.</summary>
static class HelpFixture
{
    public const string Markdown = """
        ---
        external help file: Sample.dll-Help.xml
        Module Name: Sample
        online version:
        schema: 2.0.0
        ---

        # Get-Sample

        ## SYNOPSIS

        Gets a **sample** of [things](about_Things.md).

        ## SYNTAX

        ### ByName (Default)

        ```
        Get-Sample [[-Name] <String[]>] [-Kind <Kind>] [-Force] [-WhatIf] [<CommonParameters>]
        ```

        ### ById

        ```
        Get-Sample -Id <Int32> [-Kind <Kind>] [-Force] [-WhatIf] [<CommonParameters>]
        ```

        ## DESCRIPTION

        The `Get-Sample` cmdlet gets samples. A rate is `100MB/s`, a name has a star_like_this * or \*.

        - First point that goes on
          in the next line.
        - Second point.

        ## EXAMPLES

        ### Example 1: Get one

        Gets the sample `web01`.

        ```powershell
        Get-Sample web01 |
            Where-Object Kind -eq 'Big'
        ```

        ```output
        Name  Kind
        ----  ----
        web01 Big
        ```

        ### Example 2: Get all

        ```powershell
        Get-Sample
        ```

        Without a name it gets all of them.

        ## PARAMETERS

        ### -Force

        Also the hidden ones.

        ```yaml
        Type: SwitchParameter
        Parameter Sets: (All)
        Aliases:

        Required: False
        Position: Named
        Default value: False
        Accept pipeline input: False
        Accept wildcard characters: False
        ```

        ### -Id

        The number.

        ```yaml
        Type: Int32
        Parameter Sets: ById
        Aliases:

        Required: True
        Position: Named
        Default value: None
        Accept pipeline input: True (ByPropertyName)
        Accept wildcard characters: False
        ```

        ### -Kind

        Which kind.

        It may be any.

        ```yaml
        Type: Kind
        Parameter Sets: (All)
        Aliases: Sort, Type
        Accepted values: Big, Small

        Required: False
        Position: Named
        Default value: Big
        Accept pipeline input: False
        Accept wildcard characters: False
        ```

        ### -Name

        The names.

        ```yaml
        Type: String[]
        Parameter Sets: ByName
        Aliases:

        Required: False
        Position: 0
        Default value: None
        Accept pipeline input: True (ByValue)
        Accept wildcard characters: True
        ```

        ### CommonParameters

        This cmdlet supports the common parameters.

        ## INPUTS

        ### System.String

        A name.

        ## OUTPUTS

        ### Sample.Thing

        ## NOTES

        Mind the gap.

        ## RELATED LINKS

        [Set-Sample](Set-Sample.md)

        [Online](https://example.org/sample)
        """;

    public static CommandHelp Read(string markdown) => CommandReader.Read(Parse("Get-Sample.md", markdown));

    public static MarkdownFile Parse(string name, string markdown) => MarkdownReader.Parse(name, markdown.Split('\n'));
}
