using System.Management.Automation;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>-Throw: runs a script block and looks at the error that comes out of it.</summary>
static class ThrowCheck
{
    /// <summary>Gives the error that the block ends with; a break inside ends only the loop here, which is no error.</summary>
    const string Runner = "param($____block) try { do { $null = & $____block } until ($true) } catch { $_ }";

    public static void Check(ShouldCall call)
    {
        if (call.Actual is not ScriptBlock && (call.Actual as PSObject)?.BaseObject is not ScriptBlock)
            throw new PesterRefusedException("-Throw needs a script block: { … } | Should -Throw.");
        var error = call.Cmdlet.InvokeCommand.InvokeScript(useLocalScope: true, ScriptBlock.Create(Runner), null, call.Actual)
            .Select(o => o.BaseObject).OfType<ErrorRecord>().FirstOrDefault();

        if (call.Not)
        {
            if (error is not null)
                throw new PesterAssertionException($"Expected no error,{call.Because} but got: {ErrorText.Of(error)}");
            return;
        }

        if (error is null)
            throw new PesterAssertionException($"Expected an error{Wanted(call)},{call.Because} but there was none.");
        var wrong = Wrong(call, error).ToArray();
        if (wrong.Length > 0)
            throw new PesterAssertionException(
                $"Expected an error{Wanted(call)},{call.Because} but {string.Join(" and ", wrong)}: {ErrorText.Of(error)}");
        if (call.IsOn("PassThru")) call.Cmdlet.WriteObject(error);
    }

    static IEnumerable<string> Wrong(ShouldCall call, ErrorRecord error)
    {
        if (call.Type("ExceptionType") is { } type && !type.IsInstanceOfType(error.Exception))
            yield return $"its type is {Wording.Of(error.Exception.GetType())}";
        if (!Matches(error.Exception.Message, call.Text("ExpectedMessage")))
            yield return $"its message is {Wording.Of(error.Exception.Message)}";
        if (!Matches(error.FullyQualifiedErrorId, call.Text("ErrorId")))
            yield return $"its id is {Wording.Of(error.FullyQualifiedErrorId)}";
    }

    static bool Matches(string actual, string? wildcard) =>
        string.IsNullOrWhiteSpace(wildcard) || PowerShellOperator.Holds(actual, "-like", wildcard);

    static string Wanted(ShouldCall call)
    {
        string[] names = ["ExceptionType", "ExpectedMessage", "ErrorId"];
        var wanted = names.Where(call.Has).Select(name => $"{name} {Wording.Of(call[name])}").ToArray();
        return wanted.Length == 0 ? "" : $" with {string.Join(" and ", wanted)}";
    }
}
