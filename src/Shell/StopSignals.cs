using System.Runtime.InteropServices;

namespace PsMigrate.Shell;

/// <summary>
/// What Ctrl+C and the signals that end a process do here. Ctrl+C stops the running pipeline; SIGTERM and SIGHUP stop it, remove the
/// module so that its migrations end in a defined way, and end the process.
/// </summary>
sealed class StopSignals : IDisposable
{
    // A pipeline in a call that can't be stopped must not keep a server from shutting down. A user at the keyboard can wait: what
    // takes its time may be a migration that is being cancelled.
    static readonly TimeSpan ServerPatience = TimeSpan.FromSeconds(15);
    static readonly TimeSpan UserPatience = TimeSpan.FromDays(1);

    readonly PosixSignalRegistration[] _registrations;
    readonly bool _atPrompt;
    ShellSession? _session;
    int _exitCode;

    /// <summary>Takes over the signals.</summary>
    /// <param name="atPrompt">Whether Ctrl+C goes back to a prompt, rather than ending the process.</param>
    public StopSignals(bool atPrompt)
    {
        _atPrompt = atPrompt;
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, OnInterrupt),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => OnEnd(context, ExitCodes.Terminated)),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, context => OnEnd(context, ExitCodes.HungUp)),
        ];
    }

    /// <summary>The exit code that a signal asked for, or 0.</summary>
    public int ExitCode => Volatile.Read(ref _exitCode);

    /// <summary>Names the session to stop; before it there is nothing to end cleanly.</summary>
    public void Attach(ShellSession session)
    {
        Volatile.Write(ref _session, session);
        if (ExitCode != 0)
            session.Stop(refuse: true);
    }

    /// <summary>Gives the signals back.</summary>
    public void Dispose()
    {
        foreach (var registration in _registrations)
            registration.Dispose();
    }

    /// <summary>Does what Ctrl+C does.</summary>
    public void Interrupt()
    {
        if (_atPrompt)
            Volatile.Read(ref _session)?.Stop(refuse: false);
        else if (Interlocked.CompareExchange(ref _exitCode, ExitCodes.Interrupted, 0) == 0)
            EndSoon(ExitCodes.Interrupted, UserPatience);
    }

    void OnInterrupt(PosixSignalContext context)
    {
        context.Cancel = true;
        Interrupt();
    }

    void OnEnd(PosixSignalContext context, int exitCode)
    {
        context.Cancel = true;
        if (Interlocked.Exchange(ref _exitCode, exitCode) is 0 or ExitCodes.Interrupted)
            EndSoon(exitCode, ServerPatience);
    }

    // Not on the signal's thread, and not left to the main thread either: that one may sit in a read.
    void EndSoon(int exitCode, TimeSpan patience) =>
        new Thread(() => End(exitCode, patience)) { IsBackground = true, Name = "end" }.Start();

    void End(int exitCode, TimeSpan patience)
    {
        if (Volatile.Read(ref _session) is { } session)
        {
            session.Stop(refuse: true);
            if (session.WaitUntilIdle(patience))
                session.Dispose();
        }
        Environment.Exit(exitCode);
    }
}
