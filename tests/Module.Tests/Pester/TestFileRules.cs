using System.Management.Automation.Language;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>Reads a test file before it runs, and refuses what the runner does not know rather than guess at it.</summary>
static class TestFileRules
{
    static readonly StringComparer Words = StringComparer.OrdinalIgnoreCase;

    /// <summary>Parts of Pester that this runner does not have.</summary>
    static readonly HashSet<string> Unknown = new(
    [
        "Mock", "InModuleScope", "Assert-MockCalled", "Assert-VerifiableMock", "Invoke-Pester", "New-Fixture", "New-MockObject",
        "New-PesterContainer", "New-PesterConfiguration", "Add-ShouldOperator", "Get-ShouldOperator", "BeforeEachFeature",
        "AfterEachFeature", "Set-TestInconclusive",
        "Add-PesterBlock", "Add-PesterTest", "Add-PesterStep", "Invoke-PesterDiscovery", "Assert-PesterShould"
    ], Words);

    static readonly string[] Block = ["Name", "Fixture", "Tag", "Tags", "Skip", "ForEach"];
    static readonly string[] Step = ["Scriptblock"];

    /// <summary>Each known word with its parameters. They have to be written out: an abbreviation may mean more to Pester.</summary>
    static readonly Dictionary<string, HashSet<string>> Parameters = new Dictionary<string, IEnumerable<string>>
    {
        ["Describe"] = Block,
        ["Context"] = Block,
        ["It"] = ["Name", "Test", "Tag", "Skip", "ForEach", "TestCases"],
        ["BeforeAll"] = Step,
        ["BeforeEach"] = Step,
        ["AfterEach"] = Step,
        ["AfterAll"] = Step,
        ["BeforeDiscovery"] = Step,
        ["Set-ItResult"] = ["Skipped", "Because"],
        ["Should"] = ShouldOperator.ParameterNames
    }.ToDictionary(pair => pair.Key, pair => new HashSet<string>(pair.Value, Words), Words);

    public static IEnumerable<string> Violations(string path)
    {
        var tree = Parser.ParseFile(path, out _, out var errors);
        foreach (var error in errors) yield return At(error.Extent, error.Message);
        if (errors.Length > 0) yield break;

        if (tree.ParamBlock is { } parameters)
            yield return At(parameters.Extent, "A test file with parameters is not supported.");
        foreach (var exit in tree.FindAll(node => node is ExitStatementAst, searchNestedScriptBlocks: true))
            yield return At(exit.Extent, "An exit ends the file, and with it all tests that would follow.");
        foreach (var command in tree.FindAll(node => node is CommandAst, searchNestedScriptBlocks: true).Cast<CommandAst>())
            foreach (var violation in Violations(command))
                yield return violation;
    }

    static IEnumerable<string> Violations(CommandAst command)
    {
        if (command.GetCommandName() is not { } name) yield break;
        if (Unknown.Contains(name)) yield return At(command.Extent, $"{name} is not supported by this runner.");
        if (!Parameters.TryGetValue(name, out var known)) yield break;

        foreach (var element in command.CommandElements.Skip(1))
            switch (element)
            {
                case CommandParameterAst parameter when !known.Contains(parameter.ParameterName):
                    yield return At(parameter.Extent, $"{name} -{parameter.ParameterName} is not supported by this runner.");
                    break;
                case VariableExpressionAst { Splatted: true }:
                    yield return At(element.Extent, $"Splatting to {name} is not supported by this runner.");
                    break;
                case ScriptBlockExpressionAst { ScriptBlock.ParamBlock: not null } when !Words.Equals(name, "Should"):
                    yield return At(element.Extent, $"A param() block in {name} is not supported: -ForEach values are variables.");
                    break;
            }
    }

    static string At(IScriptExtent extent, string message) => $"{message}{Environment.NewLine}at {extent.File}:{extent.StartLineNumber}";
}
