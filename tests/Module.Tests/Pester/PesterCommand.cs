using System.Management.Automation;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>A word of a test file. As a cmdlet it has no scope of its own, so that blocks run where they are written.</summary>
public abstract class PesterCommand : PSCmdlet
{
    private protected PesterSession Session =>
        LanguagePrimitives.TryConvertTo<PesterSession>(SessionState.PSVariable.GetValue(PesterSession.Variable), out var session)
        && session is not null
            ? session
            : throw new PesterRefusedException("This word belongs into a test file that is being run.");

    private protected int Line => MyInvocation.ScriptLineNumber;

    /// <summary>Does the work of the word; what it throws is the test file's error, with its place there.</summary>
    private protected abstract void Act();

    /// <inheritdoc/>
    protected sealed override void EndProcessing()
    {
        try
        {
            Act();
        }
        catch (PesterRefusedException e)
        {
            ThrowTerminatingError(new ErrorRecord(e, "PesterRefused", ErrorCategory.InvalidOperation, null));
        }
    }

    private protected void DemandDiscovery()
    {
        if (!Session.Discovering)
            throw new PesterRefusedException($"{MyInvocation.InvocationName} inside a running test has no effect under Pester.");
    }

    /// <summary>The cases of -ForEach, or one case without data.</summary>
    private protected IEnumerable<object?> Cases(object? forEach)
    {
        if (!MyInvocation.BoundParameters.ContainsKey("ForEach")) return [null];
        object?[] cases = LanguagePrimitives.GetEnumerable(forEach) is { } many ? [.. many.Cast<object?>()] : [forEach];
        if (cases.Length == 0 || cases is [null])
            throw new PesterRefusedException("-ForEach got nothing, so that there would be no test at all, which Pester does not report.");
        return cases;
    }
}
