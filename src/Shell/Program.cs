using System.Management.Automation.Runspaces;
using PsMigrate.Shell;
using PsMigrate.Shell.Host;
using PsMigrate.Shell.Interactive;

CommandLine line;
try
{
    line = CommandLine.Parse(args, Console.IsInputRedirected);
}
catch (UsageException wrong)
{
    Console.Error.WriteLine($"psmigrate: {wrong.Message}");
    if (wrong.ShowUsage)
        Console.Error.WriteLine(CommandLine.Usage);
    return ExitCodes.Usage;
}

switch (line.Mode)
{
    case ShellMode.Help:
        Console.Out.WriteLine(CommandLine.Usage);
        return ExitCodes.Success;
    case ShellMode.Version:
        Console.Out.WriteLine(Banner.Versions);
        return ExitCodes.Success;
}

string manifest;
try
{
    manifest = ModuleLocator.Find();
}
catch (FileNotFoundException missing)
{
    Console.Error.WriteLine($"psmigrate: {missing.Message}");
    return ExitCodes.Failed;
}

// The engine reports the modules that it loads to its makers unless told not to; a migration server has no business doing that.
Environment.SetEnvironmentVariable("POWERSHELL_TELEMETRY_OPTOUT", "1");

// `Import-Module PsMigrate`, and commands in the runspaces of ForEach-Object -Parallel, find the module by its name.
ModulePath.Add(Path.GetDirectoryName(Path.GetDirectoryName(manifest)!)!);

var console = new ShellConsole();
using var signals = new StopSignals(atPrompt: line.Mode == ShellMode.Prompt);
console.Interrupted = signals.Interrupt;
var session = ShellSession.Open(console, line.NonInteractive, manifest);
if (session is null)
    return ExitCodes.Failed;
signals.Attach(session);
try
{
    var exitCode = line.Mode switch
    {
        ShellMode.Prompt => new PromptLoop(session, console).Run(line.NoLogo),
        ShellMode.File => RunFile(),
        ShellMode.StandardInput => RunText(Console.In.ReadToEnd()),
        _ => RunText(line.Text),
    };
    return signals.ExitCode != 0 ? signals.ExitCode : exitCode;
}
finally
{
    session.Dispose();
}

// A script's errors that did not end it are its own business: its exit code is what it says with `exit`.
int RunFile()
{
    session.LetExitLeaveNextScript();
    var outcome = session.Run(shell =>
    {
        var script = new Command(line.Text, isScript: false, useLocalScope: false);
        ScriptArguments.AddTo(script, line.Arguments);
        shell.Commands.AddCommand(script);
    });
    return session.Host.ExitCode ?? (outcome == Outcome.Completed ? ExitCodes.Success : ExitCodes.Failed);
}

int RunText(string text)
{
    var outcome = session.RunText(text);
    if (session.Host.ExitCode is { } exitCode)
        return exitCode;
    return outcome == Outcome.Completed && session.Host.Notes.LastStatementSucceeded ? ExitCodes.Success : ExitCodes.Failed;
}
