using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;

namespace PsMigrate.Bench.Peers;

/// <summary>A process that was started for a measurement and goes away with it, on every path.</summary>
sealed class Child : IDisposable
{
    static readonly ConcurrentDictionary<Child, bool> Running = new();

    readonly Process _process;
    readonly BlockingCollection<string> _lines = [];
    readonly ConcurrentQueue<string> _errors = new();

    Child(Process process)
    {
        _process = process;
        Running[this] = true;
        process.OutputDataReceived += (_, line) => Take(line.Data);
        process.ErrorDataReceived += (_, line) => { if (line.Data is { } text) _errors.Enqueue(text); };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>Starts a program. Throws a skipping <see cref="BenchException"/> when it is not installed.</summary>
    public static Child Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            return new Child(Process.Start(start)!);
        }
        catch (Win32Exception)
        {
            throw new BenchException($"skipped: {program} is not there (Debian: qemu-system-x86, iperf3, gcc).", isSkip: true);
        }
    }

    /// <summary>The next line it prints. Throws when it ends or stays silent instead.</summary>
    public string ReadLine(TimeSpan? wait = null)
    {
        var limit = wait ?? TimeSpan.FromSeconds(60);
        if (_lines.TryTake(out var line, limit)) return line;
        throw new BenchException($"{_process.StartInfo.FileName} {(_lines.IsCompleted ? "ended" : $"printed nothing for {limit.TotalSeconds} s")}. {Errors}");
    }

    /// <summary>All that it prints until it ends.</summary>
    public string ReadToEnd() => string.Join('\n', _lines.GetConsumingEnumerable());

    /// <summary>Says something to it.</summary>
    public void WriteLine(string line)
    {
        _process.StandardInput.WriteLine(line);
        _process.StandardInput.Flush();
    }

    /// <summary>What it complained about.</summary>
    public string Errors => string.Join(' ', _errors);

    public bool HasExited => _process.HasExited;

    public int Id => _process.Id;

    /// <summary>Processor time so far, user and system, all threads.</summary>
    public TimeSpan Cpu
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    public void Dispose()
    {
        if (!Running.TryRemove(this, out _)) return;
        try
        {
            _process.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // It has ended by itself.
        }
        _process.WaitForExit(5000);
        _process.Dispose();
        _lines.Dispose();
    }

    void Take(string? line)
    {
        try
        {
            if (line is not null) _lines.Add(line);
            else _lines.CompleteAdding();
        }
        catch (ObjectDisposedException)
        {
            // It was ended, and what it had still to say comes too late.
        }
    }

    /// <summary>Ends whatever is still there.</summary>
    public static void KillAll()
    {
        foreach (var child in Running.Keys) child.Dispose();
    }
}
