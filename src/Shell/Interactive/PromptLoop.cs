using System.Management.Automation;
using System.Management.Automation.Language;
using PsMigrate.Shell.Host;

namespace PsMigrate.Shell.Interactive;

/// <summary>Reads, evaluates and prints until <c>exit</c> or the end of the input.</summary>
sealed class PromptLoop(ShellSession session, ShellConsole console)
{
    readonly LineEditor _editor = new(session.Complete);

    /// <summary>Runs the loop.</summary>
    /// <returns>The code given to <c>exit</c>.</returns>
    public int Run(bool noLogo)
    {
        if (!noLogo)
            console.Out(Banner.Text, newLine: true);
        while (session.Host.ExitCode is null)
        {
            var text = ReadStatement();
            if (text is null)
                return ExitCodes.Success;
            if (text.Trim().Length > 0)
                session.RunText(text, addToHistory: true);
        }
        return session.Host.ExitCode.Value;
    }

    // Null at the end of the input; empty when Ctrl+C threw away what was typed.
    string? ReadStatement()
    {
        var prompt = session.Evaluate("prompt")?.ToString() ?? "PS> ";
        var text = "";
        while (true)
        {
            var (result, line) = _editor.Read(text.Length == 0 ? prompt : ">> ");
            if (result == LineResult.EndOfInput)
                return null;
            if (result == LineResult.Abandoned)
                return "";
            text = text.Length == 0 ? line : $"{text}\n{line}";
            // An empty line ends a statement that stays incomplete, so that its error can be seen.
            if (line.Length == 0 || !IsIncomplete(text))
                return text;
        }
    }

    static bool IsIncomplete(string text)
    {
        Parser.ParseInput(text, out _, out var errors);
        return errors.Any(error => error.IncompleteInput);
    }
}
