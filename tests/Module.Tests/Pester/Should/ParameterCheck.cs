using System.Management.Automation;
using System.Management.Automation.Language;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>-HaveParameter: looks at the parameters of a command that Get-Command gave.</summary>
static class ParameterCheck
{
    public static void Check(ShouldCall call)
    {
        if ((call.Actual as PSObject ?? new PSObject()).BaseObject is not CommandInfo command)
            throw new PesterRefusedException("-HaveParameter needs a command: Get-Command Name | Should -HaveParameter ….");
        var name = call.Text("ParameterName") ?? throw new PesterRefusedException("-HaveParameter needs the name of a parameter.");
        var details = new[] { "Type", "DefaultValue", "Mandatory", "InParameterSet" }.Any(call.IsOn);
        if (!command.Parameters.TryGetValue(name, out var parameter))
        {
            if (!call.Not) throw Failure(call, command, name, "there is no such parameter");
            return;
        }

        // With -Not and details the parameter may exist, but must have none of them; to Pester an alias is no such detail.
        if (call.Not && !details) throw Failure(call, command, name, "there is one");
        foreach (var (detail, holds) in Details(call, command, parameter))
            if (holds == call.Not) throw Failure(call, command, name, $"{detail} is {(holds ? "so" : "not so")}");
    }

    static IEnumerable<(string Detail, bool Holds)> Details(ShouldCall call, CommandInfo command, ParameterMetadata parameter)
    {
        var attributes = parameter.Attributes.OfType<ParameterAttribute>();
        if (call.Text("InParameterSet") is { } set)
        {
            attributes = attributes.Where(a => string.Equals(a.ParameterSetName, set, StringComparison.OrdinalIgnoreCase));
            yield return ($"in set {set}", attributes.Any());
        }

        if (call.IsOn("Mandatory")) yield return ("mandatory", attributes.Any(a => a.Mandatory));
        if (call.Type("Type") is { } type) yield return ($"of type {Wording.Of(type)}", parameter.ParameterType == type);
        if (call["Alias"] is { } wanted)
            foreach (var alias in LanguagePrimitives.ConvertTo<string[]>(wanted))
                yield return ($"alias {alias}", parameter.Aliases.Contains(alias, StringComparer.OrdinalIgnoreCase));
        if (call.Has("DefaultValue"))
            yield return ($"default {Wording.Of(call["DefaultValue"])}",
                string.Equals(Default(command, parameter.Name), call.Text("DefaultValue") ?? "", StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>The default of a function's parameter as it is written; a cmdlet's cannot be known, and Pester says so too.</summary>
    static string Default(CommandInfo command, string name)
    {
        if (command is not FunctionInfo { ScriptBlock.Ast: FunctionDefinitionAst function })
            throw new PesterRefusedException("-DefaultValue is only supported for functions.");
        var parameters = function.Parameters ?? function.Body.ParamBlock?.Parameters ?? Enumerable.Empty<ParameterAst>();
        var value = parameters
            .First(p => string.Equals(p.Name.VariablePath.UserPath, name, StringComparison.OrdinalIgnoreCase)).DefaultValue;
        return value is ConstantExpressionAst constant ? LanguagePrimitives.ConvertTo<string>(constant.Value) : value?.Extent.Text ?? "";
    }

    static PesterAssertionException Failure(ShouldCall call, CommandInfo command, string name, string but) =>
        new($"Expected {command.Name} to {(call.Not ? "not " : "")}have parameter {name} as described,{call.Because} but {but}.");
}
