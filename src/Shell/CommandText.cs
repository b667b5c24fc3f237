using System.Management.Automation;
using System.Management.Automation.Language;

namespace PsMigrate.Shell;

/// <summary>The text of <c>-Command</c>, made to tell whether its last statement succeeded.</summary>
static class CommandText
{
    // The engine resets `$?` at the end of a pipeline, so the text itself has to note it. Two line ends, because the text may end
    // in a line continuation.
    const string Note = "\n\n$Host.PrivateData.LastStatementSucceeded = $?";

    /// <summary>Adds the note where a statement can be added.</summary>
    /// <exception cref="ParseException">The text can't be parsed.</exception>
    public static string NotingSuccess(string text)
    {
        var script = Parser.ParseInput(text, out _, out var errors);
        // The engine has a class of error of its own for text that ends too early, and its views show nothing for it.
        if (errors.Length > 0)
            throw new ParseException(errors);
        var takesStatement = script is { BeginBlock: null, ProcessBlock: null, CleanBlock: null, DynamicParamBlock: null }
            && script.EndBlock is { Unnamed: true, Statements.Count: > 0 };
        return takesStatement ? text + Note : text;
    }
}
