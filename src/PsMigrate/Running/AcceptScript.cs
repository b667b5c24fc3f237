using System.Diagnostics.CodeAnalysis;
using System.Management.Automation;
using System.Management.Automation.Runspaces;
using PsMigrate.Engine.Model;

namespace PsMigrate.Running;

/// <summary>
/// A script that decides which guests a receiver takes. It has a runspace of its own, with the module: the threads that ask have none, and
/// the caller's is in use. One guest at a time; a script that can't be stopped keeps its turn, and all others are refused meanwhile. Thread-safe.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "Close ends it, and a script that runs on gives its turn back later.")]
sealed class AcceptScript
{
    readonly SemaphoreSlim _turn = new(1);
    readonly Runspace _runspace;
    readonly string _text;

    /// <param name="script">Gets the request as its argument.</param>
    /// <param name="module">Path of the module.</param>
    /// <param name="folder">Where it begins.</param>
    public AcceptScript(ScriptBlock script, string module, string folder)
    {
        _text = script.ToString();
        var session = InitialSessionState.CreateDefault2();
        session.ImportPSModule([module]);
        session.ThrowOnRunspaceOpenError = true;
        // What went wrong in part has not decided anything.
        session.Variables.Add(new SessionStateVariableEntry("ErrorActionPreference", ActionPreference.Stop, "An error is a refusal."));
        _runspace = RunspaceFactory.CreateRunspace(session);
        try
        {
            _runspace.Open();
            _runspace.SessionStateProxy.Path.SetLocation(folder);
        }
        catch
        {
            _runspace.Dispose();
            throw;
        }
    }

    /// <summary>Why the guest is refused; null where it is accepted. Throws OperationCanceledException.</summary>
    public string? Ask(ArrivalRequest request, CancellationToken cancel)
    {
        _turn.Wait(cancel);
        var shell = PowerShell.Create();
        var isStopping = false;
        try
        {
            shell.Runspace = _runspace;
            shell.AddScript(_text, useLocalScope: true).AddArgument(request);
            using var answers = new PSDataCollection<PSObject>();
            using var nothing = new PSDataCollection<PSObject>();
            nothing.Complete();
            var running = shell.BeginInvoke(nothing, answers);
            if (WaitHandle.WaitAny([running.AsyncWaitHandle, cancel.WaitHandle]) == 1)
            {
                isStopping = true;
                shell.BeginStop(_ => End(shell), null);
                throw new OperationCanceledException(cancel);
            }
            shell.EndInvoke(running);
            return Read(answers);
        }
        catch (RuntimeException e)
        {
            // Its own words, without how PowerShell came to throw them.
            return e.ErrorRecord?.Exception?.Message ?? e.Message;
        }
        finally
        {
            if (!isStopping) End(shell);
        }
    }

    /// <summary>Ends it, and what runs; returns at once.</summary>
    public void Close()
    {
        _runspace.StateChanged += (_, change) =>
        {
            if (change.RunspaceStateInfo.State is RunspaceState.Closed or RunspaceState.Broken) Task.Run(_runspace.Dispose);
        };
        _runspace.CloseAsync();
    }

    void End(PowerShell shell)
    {
        try
        {
            shell.Dispose();
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Only $true, and nothing beside it, is a yes: what else a script lets slip shows that it did not do what was meant.</summary>
    static string? Read(PSDataCollection<PSObject> answers)
    {
        foreach (var answer in answers)
            if (answer?.BaseObject is not true)
                return answer?.BaseObject switch
                {
                    false => "",
                    string reason => reason,
                    var other => $"What decides about guests answers '{other}', and neither true nor false.",
                };
        return answers.Count > 0 ? null : "What decides about guests gave no answer.";
    }
}
