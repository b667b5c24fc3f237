using System.Diagnostics;
using System.Text;
using System.Text.Json;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu.Machines;

/// <summary>A real QEMU in a process of its own, with its files in a folder of its own. Both are gone when it goes out of scope.</summary>
sealed partial class QemuMachine : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("psmigrate-qemu-").FullName;
    readonly StringBuilder _errors = new();
    readonly Process _process;
    readonly QmpClient _qmp;
    readonly List<QmpEvent> _events = [];

    /// <summary>Returns when QEMU answers over QMP.</summary>
    /// <exception cref="InvalidOperationException">QEMU did not start; the message has what it printed.</exception>
    public QemuMachine(QemuOptions options)
    {
        Options = options;
        if (options.Program is { } program) File.WriteAllBytes(Path.Combine(_folder, "boot"), program.BootImage());
        // A QMP socket of QEMU serves one client at a time.
        var socket = $"unix:{_folder}/qmp-test";
        QmpUri = MigrationUri.Parse($"unix:{_folder}/qmp");
        _process = new Process
        {
            StartInfo = new ProcessStartInfo(options.Binary,
                [.. options.CommandLine(_folder), "-qmp", $"{socket},server=on,wait=off", "-qmp", $"{QmpUri},server=on,wait=off"])
            { RedirectStandardError = true },
        };
        _process.ErrorDataReceived += (_, line) => Remember(line.Data);
        try
        {
            _process.Start();
            _process.BeginErrorReadLine();
            QmpClient? client = null;
            Poll.Until(() => (client = TryConnect(MigrationUri.Parse(socket))) is not null || HasExited, "QEMU opens its QMP socket");
            _qmp = client ?? throw new InvalidOperationException($"QEMU did not start, exit code {WaitForExit()}: {Errors}");
            _qmp.Subscribe(Remember);
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

    /// <summary>The test's own QMP connection.</summary>
    public QmpClient Qmp => _qmp;

    /// <summary>A second QMP socket, which the test leaves to the product.</summary>
    public MigrationUri QmpUri { get; }

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

    /// <summary>Its exit code, once it has exited, and all that it printed and told is in <see cref="Errors"/> and <see cref="Events"/>.</summary>
    public int WaitForExit()
    {
        Poll.Until(() => HasExited, "QEMU ends");
        _process.WaitForExit();
        Poll.Until(() => _qmp?.IsClosed is not false, "its QMP connection ends");
        return ExitCode;
    }

    /// <summary>An end without notice, as of a host that dies.</summary>
    public void Kill()
    {
        _process.Kill();
        WaitForExit();
    }

    /// <summary>Runs a QMP command and gives what it returns. Throws what <see cref="QmpClient.Execute"/> throws.</summary>
    public JsonElement Execute(string command, object? arguments = null) =>
        Qmp.Execute(command, JsonSerializer.SerializeToNode(arguments)?.AsObject(), Patience.Limit);

    /// <summary>Runs a command of the human monitor, for what QMP does not have.</summary>
    public string Hmp(string line) => Execute("human-monitor-command", new Dictionary<string, object> { ["command-line"] = line }).GetString()!;

    /// <summary>All events so far, in order.</summary>
    public QmpEvent[] Events
    {
        get
        {
            // QEMU sends events and answers in one order, so what came before this command is known when it is answered.
            if (!Qmp.IsClosed && !HasExited) Execute("query-status");
            lock (_events) return [.. _events];
        }
    }

    /// <summary>Names of all events so far, in order.</summary>
    public string[] EventNames => [.. Events.Select(one => one.Name)];

    /// <summary>Of query-status: running, paused, inmigrate, postmigrate ...</summary>
    public string RunState => Execute("query-status").GetProperty("status").GetString()!;

    public void Stop() => Execute("stop");

    public void Continue() => Execute("cont");

    public void Dispose()
    {
        // Null where the constructor failed.
        _qmp?.Dispose();
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

    static QmpClient? TryConnect(MigrationUri socket)
    {
        try
        {
            return QmpClient.Connect(socket, Patience.Limit);
        }
        catch (MigrationException error) when (error.Id is MigrationErrorId.ConnectionRefused or MigrationErrorId.QmpConnectionLost)
        {
            return null;
        }
    }

    void Remember(QmpEvent one)
    {
        lock (_events) _events.Add(one);
    }

    void Remember(string? line)
    {
        lock (_errors) _errors.AppendLine(line);
    }
}
