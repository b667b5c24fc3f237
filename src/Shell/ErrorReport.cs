using System.Management.Automation;
using System.Management.Automation.Runspaces;
using PsMigrate.Shell.Host;

namespace PsMigrate.Shell;

/// <summary>Prints the error that ended a pipeline as PowerShell itself would.</summary>
static class ErrorReport
{
    public static void Print(Runspace runspace, Exception error, ShellConsole console)
    {
        var record = (error as IContainsErrorRecord)?.ErrorRecord ?? new ErrorRecord(error, "PsMigrate.Shell", ErrorCategory.NotSpecified, null);
        try
        {
            using var shell = PowerShell.Create(runspace);
            shell.AddCommand("Out-Default").Invoke(new[] { EngineInternals.AsWrittenError(record) });
        }
        catch (Exception printing) when (printing is RuntimeException or InvalidOperationException)
        {
            // The formatter itself may be what is broken (or the runspace what is closing); the reason must not be lost.
            console.Error(error.Message);
        }
    }
}
