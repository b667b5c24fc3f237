using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Peers;

/// <summary>A QEMU in a process of its own, with its files in a folder of its own. Both are gone when it goes out of scope.</summary>
sealed class Qemu : IDisposable
{
    // Far above what any loopback does: no limit.
    const long Unlimited = 100_000_000_000;

    static readonly TimeSpan StartTime = TimeSpan.FromSeconds(30);
    static readonly TimeSpan SaveTime = TimeSpan.FromMinutes(2);

    readonly string _folder = Directory.CreateTempSubdirectory("bench-qemu-").FullName;
    readonly Child _child;
    readonly QmpClient _qmp;
    readonly bool _hasTls;

    /// <summary>Returns when it answers over QMP. Throws a skipping <see cref="BenchException"/> when it is not installed.</summary>
    public Qemu(QemuOptions options)
    {
        _hasTls = options.TlsFolder is not null;
        if (options.Program is { } program) File.WriteAllBytes(Path.Combine(_folder, "boot"), program.BootImage());
        try
        {
            _child = Child.Start(Program, options.CommandLine(_folder));
            // What the guest prints before anyone listens is lost.
            if (options.Program is not null) Ticks = AwaitSocket("ticks", path => new TickWatch(path));
            _qmp = AwaitSocket("qmp", path => QmpClient.Connect(MigrationUri.Parse($"unix:{path}"), StartTime));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    static string Program =>
        Environment.GetEnvironmentVariable("PSMIGRATE_QEMU") is { Length: > 0 } named ? named.Split(Path.PathSeparator)[0] : "qemu-system-x86_64";

    /// <summary>Processor time so far.</summary>
    public TimeSpan Cpu => _child.Cpu;

    /// <summary>A second monitor, for an engine that drives it: a monitor serves one client at a time.</summary>
    public MigrationUri Driven => MigrationUri.Parse($"unix:{_folder}/driven");

    /// <summary>The wakings of its guest; null without one.</summary>
    public TickWatch? Ticks { get; }

    /// <summary>A free address of this machine: tcp loopback, or a unix socket in this QEMU's folder.</summary>
    public string FreeAddress(bool isUnix) => isUnix ? $"unix:{_folder}/in" : $"tcp:127.0.0.1:{Iperf.FreePort()}";

    /// <summary>Sets what both ends of a migration have to know.</summary>
    public void Set(MigrationParameters asked)
    {
        string[] capabilities = [.. asked.Xbzrle ? ["xbzrle"] : Array.Empty<string>(), .. asked.Channels > 0 ? ["multifd"] : Array.Empty<string>()];
        Execute("migrate-set-capabilities", new JsonObject
        {
            ["capabilities"] = new JsonArray([.. capabilities.Select(name => new JsonObject { ["capability"] = name, ["state"] = true })]),
        });
        var set = new JsonObject
        {
            ["max-bandwidth"] = asked.MaxBandwidth == 0 ? Unlimited : asked.MaxBandwidth,
            ["downtime-limit"] = (long)asked.MaxDowntime.TotalMilliseconds,
        };
        if (asked.Channels > 0) set["multifd-channels"] = asked.Channels;
        if (_hasTls) (set["tls-creds"], set["tls-hostname"]) = ("tls0", "localhost");
        if (asked.XbzrleCacheSize > 0) set["xbzrle-cache-size"] = asked.XbzrleCacheSize;
        if (asked.Compression != MigrationCompression.None) set["multifd-compression"] = asked.Compression == MigrationCompression.Zstd ? "zstd" : "zlib";
        if (asked.Compression == MigrationCompression.Zstd) set["multifd-zstd-level"] = asked.CompressionLevel ?? 1;
        Execute("migrate-set-parameters", set);
    }

    public void Listen(string uri) => Execute("migrate-incoming", new JsonObject { ["uri"] = uri });

    public void Migrate(string uri) => Execute("migrate", new JsonObject { ["uri"] = uri });

    /// <summary>Stops its vCPUs.</summary>
    public void Stop() => Execute("stop", []);

    public int ProcessId => _child.Id;

    /// <summary>Where a guest's physical address lies in its process; null when it does not say.</summary>
    public long? AddressOf(long address)
    {
        var answer = _qmp.Execute("human-monitor-command", new JsonObject { ["command-line"] = $"gpa2hva {address}" }).GetString() ?? "";
        var at = answer.LastIndexOf("0x", StringComparison.Ordinal);
        return at > 0 && long.TryParse(answer.AsSpan(at + 2).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var there) ? there : null;
    }

    /// <summary>Writes a part of its RAM to a file.</summary>
    public void Save(long address, long length, string path) =>
        _qmp.Execute("pmemsave", new JsonObject { ["val"] = address, ["size"] = length, ["filename"] = path }, SaveTime);

    /// <summary>The figures of a migration that has completed; null when it had not by then. Throws when it failed.</summary>
    public QemuMigrationInfo? WaitCompleted(TimeSpan limit)
    {
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < limit; Thread.Sleep(50))
        {
            var state = QemuMigrationInfo.Query(_qmp);
            // `completed` shows a total-time of 0 for an instant.
            if (state is { Status: MigrationStatus.Completed, TotalTime.Ticks: > 0 }) return state;
            if (state.Status is MigrationStatus.Failed or MigrationStatus.Cancelled)
                throw new BenchException($"QEMU's migration {state.StatusText}: {state.ErrorDescription}");
        }
        return null;
    }

    public void Dispose()
    {
        Ticks?.Dispose();
        _qmp?.Dispose();
        _child?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    void Execute(string command, JsonObject arguments) => _qmp.Execute(command, arguments);

    /// <summary>A socket's file is there a little before anybody listens.</summary>
    T AwaitSocket<T>(string name, Func<string, T> connect)
    {
        var path = Path.Combine(_folder, name);
        for (var clock = Stopwatch.StartNew(); !_child.HasExited && clock.Elapsed < StartTime; Thread.Sleep(5))
        {
            try
            {
                if (File.Exists(path)) return connect(path);
            }
            catch (Exception e) when (e is SocketException or MigrationException { Id: MigrationErrorId.ConnectionRefused })
            {
                // Not yet.
            }
        }
        throw new BenchException($"QEMU did not start: {_child.Errors}");
    }
}
