using System.Diagnostics;
using System.Text;
using System.Text.Json;

namespace PsMigrate.Engine.Tests.Qemu.Machines;

/// <summary>A real QEMU in a process of its own, with its files in a folder of its own. Both are gone when it goes out of scope.</summary>
sealed partial class QemuMachine : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("psmigrate-qemu-").FullName;
    readonly StringBuilder _errors = new();
    readonly Process _process;
    readonly QmpMonitor _monitor;

    /// <summary>Returns when QEMU answers over QMP.</summary>
    /// <exception cref="InvalidOperationException">QEMU did not start; the message has what it printed.</exception>
    public QemuMachine(QemuOptions options)
    {
        Options = options;
        if (options.Program is { } program) File.WriteAllBytes(Path.Combine(_folder, "boot"), program.BootImage());
        // A QMP socket of QEMU serves one client at a time.
        var socket = Path.Combine(_folder, "qmp-test");
        _process = new Process
        {
            StartInfo = new ProcessStartInfo(options.Binary,
                [.. options.CommandLine(_folder), "-qmp", $"unix:{socket},server=on,wait=off", "-qmp", $"{QmpUri},server=on,wait=off"])
            { RedirectStandardError = true },
        };
        _process.ErrorDataReceived += (_, line) => Remember(line.Data);
        try
        {
            _process.Start();
            _process.BeginErrorReadLine();
            QmpMonitor? monitor = null;
            Poll.Until(() => (monitor = QmpMonitor.TryConnect(socket)) is not null || HasExited, "QEMU opens its QMP socket");
            _monitor = monitor ?? throw new InvalidOperationException($"QEMU did not start, exit code {WaitForExit()}: {Errors}");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Machine none: RAM without processors, devices or firmware.</summary>
    public QemuMachine(string binary, int megabytes, params string[] arguments)
        : this(new QemuOptions(binary) { Megabytes = megabytes, Arguments = arguments })
    {
    }

    public QemuOptions Options { get; }

    /// <summary>A second QMP socket, which the test leaves to the product: unix:path.</summary>
    public string QmpUri => $"unix:{_folder}/qmp";

    public int ProcessId => _process.Id;

    /// <summary>What QEMU printed; complete after <see cref="WaitForExit"/>.</summary>
    public string Errors
    {
        get
        {
            lock (_errors) return _errors.ToString();
        }
    }

    public bool HasExited => _process.HasExited;

    /// <summary>Of a QEMU that has exited.</summary>
    public int ExitCode => _process.ExitCode;

    /// <summary>Its exit code, once it has exited and all it printed is in <see cref="Errors"/>.</summary>
    public int WaitForExit()
    {
        Poll.Until(() => HasExited, "QEMU ends");
        _process.WaitForExit();
        return ExitCode;
    }

    /// <summary>An end without notice, as of a host that dies.</summary>
    public void Kill()
    {
        _process.Kill();
        WaitForExit();
    }

    /// <summary>For example 7.2.22.</summary>
    public Version Version
    {
        get
        {
            var version = Execute("query-version").GetProperty("qemu");
            return new Version(version.GetProperty("major").GetInt32(), version.GetProperty("minor").GetInt32(), version.GetProperty("micro").GetInt32());
        }
    }

    /// <inheritdoc cref="QmpMonitor.Execute"/>
    public JsonElement Execute(string command, object? arguments = null) => _monitor.Execute(command, arguments);

    /// <summary>Runs a command of the human monitor, for what QMP does not have.</summary>
    public string Hmp(string line) => Execute("human-monitor-command", new Dictionary<string, object> { ["command-line"] = line }).GetString()!;

    /// <inheritdoc cref="QmpMonitor.Events"/>
    public JsonElement[] Events => _monitor.Events();

    /// <summary>Names of all events so far, in order.</summary>
    public string[] EventNames => [.. Events.Select(one => one.GetProperty("event").GetString()!)];

    /// <summary>Of query-status: running, paused, inmigrate, postmigrate ...</summary>
    public string RunState => Execute("query-status").GetProperty("status").GetString()!;

    public void Stop() => Execute("stop");

    public void Continue() => Execute("cont");

    public void Dispose()
    {
        // Null where the constructor failed.
        _monitor?.Dispose();
        try
        {
            if (!_process.HasExited) _process.Kill();
            _process.WaitForExit(10_000);
        }
        catch (InvalidOperationException)
        {
            // It never started.
        }
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    void Remember(string? line)
    {
        lock (_errors) _errors.AppendLine(line);
    }
}
