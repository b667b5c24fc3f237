using System.ComponentModel;
using System.Diagnostics;
using System.IO.Pipelines;
using System.IO.Pipes;
using System.Text;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>
/// The standard input or output of a command, as QEMU's <c>exec:</c>: <c>/bin/sh -c COMMAND</c>, on Windows <c>cmd /c</c>. What it
/// says on standard error is kept for the error, up to a bound; standard output of a command that is written to is thrown away.
/// </summary>
sealed class CommandConnection : OneWayConnection
{
    const int MaxErrorText = 2000;

    // For the last words of a command that has ended; a child of it may hold the pipe open for as long as it likes.
    static readonly TimeSpan LastWords = TimeSpan.FromSeconds(1);

    // How soon a cut is seen.
    static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(100);

    readonly string _command;
    readonly Process _process;
    readonly StreamPipeReader? _input;
    readonly StreamPipeWriter? _output;
    readonly StringBuilder _errors = new();
    readonly Thread _errorReader;

    CommandConnection(MigrationUri uri, Process process, bool isWritten)
        : base(uri.ToString())
    {
        (_command, _process) = (uri.Path, process);
        if (isWritten) _output = new StreamPipeWriter(process.StandardInput.BaseStream, e => Broken("took no more", e), () => IsAborted);
        else _input = new StreamPipeReader(process.StandardOutput.BaseStream, e => Broken("can't be read from", e), () => IsAborted, IsReady);
        _errorReader = Collect(process.StandardError, "error output");
        if (isWritten) Collect(process.StandardOutput, "output", isKept: false);
        else process.StandardInput.Close();
    }

    public override PipeReader Input => _input ?? base.Input;

    public override PipeWriter Output => _output ?? base.Output;

    public override long BytesSent => _output?.BytesSent ?? 0;

    public override long BytesReceived => _input?.BytesReceived ?? 0;

    /// <summary>Starts a command that takes a stream. Throws CommandFailed.</summary>
    public static CommandConnection WriteTo(MigrationUri uri) => Start(uri, isWritten: true);

    /// <summary>Starts a command that gives a stream. Throws CommandFailed.</summary>
    public static CommandConnection ReadFrom(MigrationUri uri) => Start(uri, isWritten: false);

    /// <summary>The command, and all that it started, is killed.</summary>
    public override void Abort()
    {
        base.Abort();
        try
        {
            _process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception or AggregateException or NotSupportedException)
        {
            // It has ended already.
        }
    }

    public override void Complete(TimeSpan timeout)
    {
        var end = new Deadline(timeout);
        if (_output is not null)
        {
            _output.Complete();
            CloseInput();
        }
        else if (!HasGivenAll(end))
        {
            throw GoesOn(timeout);
        }
        if (!_process.WaitForExit(end.Left)) throw GoesOn(timeout);
        if (IsAborted) throw LinkErrors.ClosedHere(Peer);
        if (_process.ExitCode != 0) throw Ended();
    }

    public override void Dispose()
    {
        // One that is still there was not waited for: it has failed, or the migration has.
        if (!_process.HasExited) Abort();
        CloseInput();
        _process.Dispose();
    }

    static CommandConnection Start(MigrationUri uri, bool isWritten)
    {
        var start = new ProcessStartInfo
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
            WorkingDirectory = uri.Folder,
        };
        if (OperatingSystem.IsWindows())
        {
            (start.FileName, start.Arguments) = ("cmd.exe", $"/c {uri.Path}");
        }
        else
        {
            start.FileName = "/bin/sh";
            start.ArgumentList.Add("-c");
            start.ArgumentList.Add(uri.Path);
        }
        try
        {
            return new CommandConnection(uri, Process.Start(start)!, isWritten);
        }
        catch (Exception e) when (e is Win32Exception or IOException or InvalidOperationException)
        {
            throw OneWayErrors.Command(uri.Path, $"can't be started: {e.Message}", e);
        }
    }

    Thread Collect(StreamReader from, string what, bool isKept = true)
    {
        return EngineThread.Start($"{what} of exec", () =>
        {
            var block = new char[1024];
            try
            {
                for (int count; (count = from.Read(block, 0, block.Length)) > 0;)
                    if (isKept) Keep(block.AsSpan(0, count));
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // Closed with the process.
            }
        }, failed: null);
    }

    // The end says why.
    void Keep(ReadOnlySpan<char> text)
    {
        lock (_errors)
        {
            _errors.Append(text);
            if (_errors.Length > MaxErrorText) _errors.Remove(0, _errors.Length - MaxErrorText);
        }
    }

    /// <summary>What a command has left behind may hold its output open, and is not killed with it: reading would wait for that.</summary>
    bool IsReady() => _process.StandardOutput.BaseStream is not PipeStream pipe || FileCalls.Default.WaitReady(pipe.SafePipeHandle, isWritten: false, Slice);

    MigrationException GoesOn(TimeSpan timeout) => new(MigrationErrorId.PeerSilent, MigrationSide.Link,
        $"The command '{_command}' has not ended {timeout.TotalSeconds:0.#} s after the end of the stream.");

    /// <summary>
    /// What a stream has behind its end, such as padding, is of no interest; but a command whose pipe breaks would fail. One that is at
    /// it when the time is over is killed.
    /// </summary>
    bool HasGivenAll(Deadline end)
    {
        using var late = EngineThread.After(end.Left, Abort);
        try
        {
            ReadRest();
        }
        catch (MigrationException) when (end.IsOver)
        {
            return false;
        }
        return !end.IsOver;
    }

    void ReadRest()
    {
        while (true)
        {
            // Blocks, and is complete when it returns.
            var reading = _input!.ReadAsync();
            if (!reading.IsCompletedSuccessfully) return;
            var read = reading.Result;
            _input.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted) return;
        }
    }

    void CloseInput()
    {
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without taking everything; its exit code says whether that is an error.
        }
    }

    /// <summary>The link to it broke: what it said last, and how it ended, says more than the system's error.</summary>
    MigrationException Broken(string what, Exception inner)
    {
        if (IsAborted) return LinkErrors.ClosedHere(Peer, inner);
        return _process.WaitForExit(LastWords) && _process.ExitCode != 0
            ? Ended()
            : OneWayErrors.Command(_command, $"{what}: {inner.Message}", inner);
    }

    MigrationException Ended()
    {
        _errorReader.Join(LastWords);
        string text;
        lock (_errors) text = new string([.. _errors.ToString().Trim().Select(c => char.IsControl(c) && c != '\n' ? '?' : c)]);
        return OneWayErrors.Command(_command, $"ended with exit code {_process.ExitCode}{(text.Length == 0 ? "." : $": {text}")}");
    }
}
