using System.Management.Automation;
using System.Management.Automation.Runspaces;
using PsMigrate.Shell.Host;

namespace PsMigrate.Shell;

/// <summary>Prints the error that ended a pipeline as PowerShell itself would.</summary>
static class ErrorReport
{
    // Only an error that a command writes is known to Out-Default as one to print on standard error.
    const string Rewrite = "[CmdletBinding()] param($Record) $PSCmdlet.WriteError($Record)";

    public static void Print(Runspace runspace, Exception error, ShellConsole console)
    {
        // Text that ends too early has a class of error of its own, for prompts; PowerShell's views do not know it.
        if (error is IncompleteParseException { Errors: { } errors })
            error = new ParseException(errors);
        var record = (error as IContainsErrorRecord)?.ErrorRecord ?? new ErrorRecord(error, "PsMigrate.Shell", ErrorCategory.NotSpecified, null);
        try
        {
            using var shell = PowerShell.Create(runspace);
            shell.AddScript(Rewrite, useLocalScope: true).AddArgument(record);
            shell.Commands.Commands[0].MergeMyResults(PipelineResultTypes.Error, PipelineResultTypes.Output);
            shell.AddCommand("Out-Default").Invoke();
        }
        catch (Exception printing) when (printing is RuntimeException or InvalidOperationException)
        {
            // The formatter itself may be what is broken (or the runspace what is closing); the reason must not be lost.
            console.Error(error.Message);
        }
    }
}
