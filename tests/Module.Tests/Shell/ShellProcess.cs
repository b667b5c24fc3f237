using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;

namespace PsMigrate.ModuleTests.Shell;

/// <summary>A psmigrate in a process of its own. Its output is read as it comes; it is killed when it goes out of scope.</summary>
sealed class ShellProcess : IDisposable
{
    readonly StringBuilder _output = new();
    readonly BlockingCollection<string> _lines = [];

    public ShellProcess(params string[] arguments)
    {
        var shell = Path.Combine(Repository.Root, "src", "Shell", "bin", Repository.Configuration, "net10.0", "PsMigrate.Shell.dll");
        Process = new Process
        {
            StartInfo = new ProcessStartInfo("dotnet", [shell, .. arguments])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                RedirectStandardInput = true,
            },
        };
        Process.StartInfo.Environment["PSMIGRATE_MODULE"] = Path.Combine(Repository.Root, "output", Repository.Configuration, "PsMigrate");
        Process.OutputDataReceived += (_, line) => Take(line.Data);
        Process.ErrorDataReceived += (_, line) => Take(line.Data);
        Process.Start();
        Process.StandardInput.Close();
        Process.BeginOutputReadLine();
        Process.BeginErrorReadLine();
    }

    public Process Process { get; }

    /// <summary>All that it printed.</summary>
    public string Output
    {
        get { lock (_output) return _output.ToString(); }
    }

    /// <summary>Runs a command to its end.</summary>
    public static (int ExitCode, string Output) Run(params string[] arguments)
    {
        using var shell = new ShellProcess(arguments);
        return (shell.WaitForExit(), shell.Output);
    }

    /// <summary>The rest of the first line that begins so. Waits for it.</summary>
    public string WaitForLine(string beginning, int seconds = 180)
    {
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed.TotalSeconds < seconds)
            if (_lines.TryTake(out var line, 200) && line.StartsWith(beginning, StringComparison.Ordinal)) return line[beginning.Length..].Trim();
        throw new TimeoutException($"No line that begins with '{beginning}' within {seconds} s:\n{Output}");
    }

    /// <summary>Its exit code. Throws when it does not end.</summary>
    public int WaitForExit(int seconds = 180)
    {
        if (!Process.WaitForExit(TimeSpan.FromSeconds(seconds))) throw new TimeoutException($"psmigrate does not end within {seconds} s:\n{Output}");
        Process.WaitForExit();
        return Process.ExitCode;
    }

    /// <summary>INT, TERM or KILL.</summary>
    public void Signal(string name)
    {
        using var kill = System.Diagnostics.Process.Start("kill", [$"-{name}", $"{Process.Id}"]);
        kill.WaitForExit();
    }

    public void Dispose()
    {
        if (!Process.HasExited) Process.Kill(entireProcessTree: true);
        Process.WaitForExit(10000);
        Process.Dispose();
        _lines.Dispose();
    }

    void Take(string? line)
    {
        if (line is null) return;
        lock (_output) _output.AppendLine(line);
        _lines.Add(line);
    }
}

/// <summary>A test that sends signals, which only Unix has.</summary>
[AttributeUsage(AttributeTargets.Method)]
sealed class UnixFactAttribute : FactAttribute
{
    public UnixFactAttribute()
    {
        if (OperatingSystem.IsWindows()) Skip = "Windows has no signals.";
    }
}
