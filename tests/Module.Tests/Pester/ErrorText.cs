using System.Management.Automation;

namespace PsMigrate.ModuleTests.Pester;

/// <summary>An error as a reader of a test report needs it: what, where, and by which way.</summary>
static class ErrorText
{
    public static string Of(ErrorRecord error)
    {
        var at = error.InvocationInfo is { ScriptName.Length: > 0 } where
            ? $"{Environment.NewLine}at {where.ScriptName}:{where.ScriptLineNumber}: {where.Line.Trim()}"
            : "";
        var isOurs = error.Exception is PesterAssertionException or PesterTrapException or PesterRefusedException;
        var kind = isOurs || error.FullyQualifiedErrorId == error.Exception.Message
            ? ""
            : $" ({(error.Exception.InnerException ?? error.Exception).GetType().Name}, {error.FullyQualifiedErrorId})";
        return $"{error.Exception.Message}{kind}{at}{Way(error.ScriptStackTrace)}";
    }

    /// <summary>The calls that led there, without the runner's own script at the bottom of each.</summary>
    static string Way(string? stack) => string.Concat((stack ?? "").Split('\n', StringSplitOptions.TrimEntries)
        .Where(line => line.Length > 0 && !line.Contains(PesterSession.SpineName, StringComparison.Ordinal)
            && !line.Contains("<No file>", StringComparison.Ordinal))
        .Select(line => Environment.NewLine + line));
}
