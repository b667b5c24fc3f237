using System.Diagnostics;
using System.Text;
using System.Text.Json;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>A real QEMU of machine none, with a QMP socket in a folder of its own. Killed when it goes out of scope.</summary>
sealed class QemuProcess : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("psmigrate-qemu-").FullName;
    readonly StringBuilder _errors = new();
    readonly Process _process;
    QmpClient? _qmp;

    public QemuProcess(string binary, int megabytes, params string[] arguments)
    {
        var socket = Path.Combine(_folder, "qmp");
        _process = new Process
        {
            StartInfo = new ProcessStartInfo(binary,
                ["-M", "none", "-m", $"{megabytes}M", "-nodefaults", "-display", "none", "-qmp", $"unix:{socket},server=on,wait=off", .. arguments])
            { RedirectStandardError = true },
        };
        _process.ErrorDataReceived += (_, line) => _errors.AppendLine(line.Data);
        _process.Start();
        _process.BeginErrorReadLine();
        Poll.Until(() => TryConnect(MigrationUri.Parse($"unix:{socket}")), $"QEMU opens its QMP socket. {_errors}");
    }

    /// <summary>What QEMU printed.</summary>
    public string Errors => _errors.ToString();

    public bool HasExited => _process.HasExited;

    /// <summary>For example 7.2.22.</summary>
    public string Version => Qmp.QemuVersion.ToString();

    /// <summary>The client of its only QMP socket.</summary>
    public QmpClient Qmp => _qmp!;

    /// <summary>Runs a QMP command and gives what it returns.</summary>
    public JsonElement Execute(string command, object? arguments = null) =>
        Qmp.Execute(command, JsonSerializer.SerializeToNode(arguments)?.AsObject(), Patience.Limit);

    public string MigrationStatus => Execute("query-migrate").TryGetProperty("status", out var status) ? status.GetString()! : "none";

    /// <summary>All of its memory, through a file (pmemsave).</summary>
    public byte[] Memory(int megabytes)
    {
        var file = Path.Combine(_folder, "memory");
        Execute("pmemsave", new Dictionary<string, object> { ["val"] = 0, ["size"] = megabytes << 20, ["filename"] = file });
        return File.ReadAllBytes(file);
    }

    public void Dispose()
    {
        _qmp?.Dispose();
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit(10000);
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    bool TryConnect(MigrationUri socket)
    {
        if (_process.HasExited) throw new InvalidOperationException($"QEMU did not start: {_errors}");
        try
        {
            _qmp = QmpClient.Connect(socket, Patience.Limit);
            return true;
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.ConnectionRefused)
        {
            return false;
        }
    }
}

/// <summary>Waiting with an end.</summary>
static class Poll
{
    public static void Until(Func<bool> condition, string what, int seconds = 30)
    {
        for (var clock = Stopwatch.StartNew(); !condition(); Thread.Sleep(20))
            if (clock.Elapsed.TotalSeconds > seconds) throw new TimeoutException($"Not within {seconds} s: {what}");
    }
}
