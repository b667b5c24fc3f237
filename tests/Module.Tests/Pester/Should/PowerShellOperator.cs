using System.Management.Automation;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>PowerShell's own operators, so that an assertion compares as a script would.</summary>
static class PowerShellOperator
{
    public static bool Holds(object? left, string operation, object? right) =>
        LanguagePrimitives.IsTrue(Evaluate($"$____left {operation} $____right", left, right));

    public static bool IsTrue(object? value) => LanguagePrimitives.IsTrue(value);

    /// <summary>Whether a value is the empty string or becomes one when taken as a string.</summary>
    public static bool IsEmptyText(object? value) =>
        LanguagePrimitives.IsTrue(Evaluate("[string]::IsNullOrEmpty($____left)", value, null));

    // The try makes every error inside leave the script: outside of one, some would only be written and the result be empty.
    static object? Evaluate(string expression, object? left, object? right) =>
        ScriptBlock.Create($"param($____left, $____right) try {{ {expression} }} catch {{ throw }}").InvokeReturnAsIs(left, right);
}
