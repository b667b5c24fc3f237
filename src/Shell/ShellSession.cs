using System.Diagnostics;
using System.Management.Automation;
using System.Management.Automation.Runspaces;
using PsMigrate.Shell.Host;

namespace PsMigrate.Shell;

/// <summary>A runspace with the module loaded, and the one pipeline that runs in it.</summary>
sealed class ShellSession : IDisposable
{
    // A monitor rather than a Lock: the end of a pipeline is waited for on it.
    readonly object _gate = new();
    readonly Lock _closing = new();
    readonly ShellConsole _console;
    readonly Runspace _runspace;
    PowerShell? _running;
    bool _refusing;
    bool _closed;

    ShellSession(ShellConsole console, ShellHost host)
    {
        _console = console;
        Host = host;
        var state = InitialSessionState.CreateDefault2();
        // For this process only: a shell that was started with a script is meant to run it.
        if (OperatingSystem.IsWindows())
            state.ExecutionPolicy = Microsoft.PowerShell.ExecutionPolicy.Bypass;
        _runspace = RunspaceFactory.CreateRunspace(host, state);
        _runspace.ThreadOptions = PSThreadOptions.ReuseThread;
        _runspace.Open();
        // Native-command lookups, completion and `[runspace]::DefaultRunspace` in callbacks look here.
        Runspace.DefaultRunspace = _runspace;
    }

    /// <summary>The host, which knows whether a script asked to leave.</summary>
    public ShellHost Host { get; }

    /// <summary>Makes <c>exit</c> in the next script file end the session.</summary>
    public void LetExitLeaveNextScript() => EngineInternals.LetExitLeaveNextScript(_runspace);

    /// <summary>Opens the runspace and loads the module.</summary>
    /// <returns>The session, or null when the module could not be loaded; the reason has been printed then.</returns>
    public static ShellSession? Open(ShellConsole console, bool nonInteractive, string manifest)
    {
        var session = new ShellSession(console, new ShellHost(console, nonInteractive));
        var outcome = session.Run(shell => shell.AddCommand("Import-Module").AddParameter("Name", manifest).AddParameter("ErrorAction", ActionPreference.Stop));
        if (outcome == Outcome.Completed)
            return session;
        session.Dispose();
        return null;
    }

    /// <summary>Runs what <paramref name="compose"/> puts together, printing its output and errors as PowerShell does.</summary>
    public Outcome Run(Action<PowerShell> compose, bool addToHistory = false)
    {
        using var shell = PowerShell.Create(_runspace);
        compose(shell);
        // Errors go the way of the output, in order; Out-Default knows them and writes them to standard error.
        shell.Commands.Commands[^1].MergeMyResults(PipelineResultTypes.Error, PipelineResultTypes.Output);
        shell.AddCommand("Out-Default");
        return Invoke(shell, new PSInvocationSettings { AddToHistory = addToHistory });
    }

    /// <summary>Runs a text in the session's own scope; <see cref="ShellNotes.LastStatementSucceeded"/> tells how it ended.</summary>
    public Outcome RunText(string text, bool addToHistory = false)
    {
        try
        {
            text = CommandText.NotingSuccess(text);
        }
        catch (ParseException error)
        {
            ErrorReport.Print(_runspace, error, _console);
            return Outcome.Failed;
        }
        return Run(shell => shell.AddScript(text, useLocalScope: false), addToHistory);
    }

    /// <summary>Evaluates a short text of the shell's own and gives its first result.</summary>
    public PSObject? Evaluate(string text)
    {
        using var shell = PowerShell.Create(_runspace);
        try
        {
            return shell.AddScript(text).Invoke().FirstOrDefault();
        }
        catch (RuntimeException)
        {
            // A user's own `prompt` function may throw; there is always a next best answer.
            return null;
        }
    }

    /// <summary>Completes <paramref name="text"/> at <paramref name="cursor"/>.</summary>
    public CommandCompletion Complete(string text, int cursor)
    {
        using var shell = PowerShell.Create(_runspace);
        return CommandCompletion.CompleteInput(text, cursor, null, shell);
    }

    /// <summary>Stops the running pipeline: its cmdlets get StopProcessing. Harmless when it is stopping already or nothing runs.</summary>
    /// <param name="refuse">Whether nothing may be started any more.</param>
    public void Stop(bool refuse)
    {
        lock (_gate)
        {
            _refusing |= refuse;
            _running?.BeginStop(null, null);
        }
    }

    /// <summary>Waits until no pipeline runs.</summary>
    public bool WaitUntilIdle(TimeSpan timeout)
    {
        var since = Stopwatch.GetTimestamp();
        lock (_gate)
        {
            while (_running is not null)
            {
                var left = timeout - Stopwatch.GetElapsedTime(since);
                if (left <= TimeSpan.Zero || !Monitor.Wait(_gate, left))
                    return _running is null;
            }
            return true;
        }
    }

    /// <summary>Removes the module, whose clean-up ends running migrations, and closes the runspace. May be called twice.</summary>
    public void Dispose()
    {
        lock (_closing)
        {
            if (_closed)
                return;
            _closed = true;
            using (var shell = PowerShell.Create(_runspace))
            {
                // A script may have stopped or removed it already; and whatever it reports, the shell ends.
                shell.AddCommand("Remove-Module").AddParameter("Name", "PsMigrate").AddParameter("Force").AddParameter("Confirm", false)
                    .AddParameter("ErrorAction", ActionPreference.Ignore);
                _ = Invoke(shell, new PSInvocationSettings(), closing: true);
            }
            _console.ClearProgress();
            _runspace.Dispose();
        }
    }

    Outcome Invoke(PowerShell shell, PSInvocationSettings settings, bool closing = false)
    {
        lock (_gate)
        {
            if (_refusing && !closing)
                return Outcome.Stopped;
            // The clean-up itself is never stopped.
            _running = closing ? null : shell;
        }
        try
        {
            shell.Invoke(null, settings);
            return shell.InvocationStateInfo.State == PSInvocationState.Stopped ? Outcome.Stopped : Outcome.Completed;
        }
        catch (PipelineStoppedException)
        {
            return Outcome.Stopped;
        }
        catch (Exception error) when (error is RuntimeException or InvalidOperationException or AggregateException)
        {
            ErrorReport.Print(_runspace, error, _console);
            return Outcome.Failed;
        }
        finally
        {
            lock (_gate)
            {
                _running = null;
                Monitor.PulseAll(_gate);
            }
            _console.ClearProgress();
        }
    }
}

/// <summary>How a pipeline ended.</summary>
enum Outcome
{
    /// <summary>To its end; errors that did not end it may have been printed.</summary>
    Completed,

    /// <summary>By a terminating error, which has been printed.</summary>
    Failed,

    /// <summary>From outside, by Ctrl+C or a signal.</summary>
    Stopped,
}
