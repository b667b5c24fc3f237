using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Driven;
using PsMigrate.Engine.Tests.Qmp;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>A source with a migration that is at what the test reports.</summary>
sealed class ScriptedSource : IDisposable
{
    static readonly string[] Known = ["events", "return-path", "xbzrle", "postcopy-ram", "multifd"];

    readonly Lock _gate = new();
    readonly List<JsonObject> _settings = [];
    JsonObject _info = [];
    Engine.Qemu.QemuGuest? _guest;

    public ScriptedSource()
    {
        Fake.Answer("query-migrate-capabilities", () => new JsonArray(
            [.. Known.Concat(Has).Select(name => new JsonObject { ["capability"] = name, ["state"] = On.Contains(name) })]));
        Fake.Answer("query-migrate-parameters", () => JsonNode.Parse("""{"downtime-limit":300,"max-bandwidth":134217728,"cpu-throttle-initial":20,"cpu-throttle-increment":10,"max-cpu-throttle":99,"throttle-trigger-threshold":50}"""));
        Fake.Answer("query-migrate", () =>
        {
            lock (_gate) return _info.DeepClone();
        });
        foreach (var command in new[] { "migrate-set-capabilities", "migrate-set-parameters" })
            Fake.Server.Commands[command] = arguments =>
            {
                Sent[command] = arguments.DeepClone().AsObject();
                if (command == "migrate-set-parameters") lock (_gate) _settings.Add(Sent[command]);
                return new JsonObject();
            };
        Fake.Answer("migrate", () =>
        {
            Report("setup");
            return new JsonObject();
        });
        Fake.Answer("migrate_cancel", () =>
        {
            Report("cancelled");
            return new JsonObject();
        });
    }

    public FakeQemu Fake { get; } = new(11, 1);

    public Dictionary<string, JsonObject> Sent { get; } = [];

    public string[] On { get; init; } = [];

    /// <summary>Capabilities that it has beside the usual ones.</summary>
    public string[] Has { get; init; } = [];

    /// <summary>How much it slows the guest down from the next pass on, percent.</summary>
    public int Throttle { get; set; }

    public string? Error { get; set; }

    public string RunState { set => Fake.RunState = value; }

    public Engine.Qemu.QemuGuest Guest => _guest ??= Fake.Connect();

    public Migration Start(MigrationParameters? parameters = null)
    {
        var migration = Migration.Start(Guest, MigrationUri.Parse("tcp:127.0.0.1:9"), parameters ?? new());
        Patience.Until(() => migration.IsEnded || migration.GetState().QemuStates.Length > 0, "it begins");
        return migration;
    }

    public void Report(string status)
    {
        lock (_gate)
        {
            _info["status"] = status;
            if (Error is not null) _info["error-desc"] = Error;
            if (status == "completed") _info["total-time"] = 5;
            // QEMU has no figures of these any more.
            if (status is "failed" or "cancelled") _info.Remove("ram");
            if (status is "failed" or "cancelled") _info.Remove("xbzrle-cache");
        }
        Fake.Server.Emit("MIGRATION", new JsonObject { ["status"] = status });
    }

    /// <summary>The arguments of all calls of migrate-set-parameters, in their order.</summary>
    public JsonObject[] Settings { get { lock (_gate) return [.. _settings]; } }

    public void Pass(int syncs, long transferred, long normal, long xbzrle = 0, long remaining = 8192, double mbps = 8)
    {
        lock (_gate)
        {
            _info["status"] = "active";
            if (Throttle > 0) _info["cpu-throttle-percentage"] = Throttle;
            if (xbzrle > 0) _info["xbzrle-cache"] = new JsonObject { ["pages"] = xbzrle };
            _info["ram"] = new JsonObject
            {
                ["dirty-sync-count"] = syncs, ["transferred"] = transferred, ["normal"] = normal, ["page-size"] = 4096, ["total"] = 1 << 26,
                ["remaining"] = remaining, ["mbps"] = mbps, ["dirty-pages-rate"] = 5,
            };
        }
        Fake.Server.Emit("MIGRATION_PASS", new JsonObject { ["pass"] = syncs });
    }

    public void Dispose()
    {
        _guest?.LetGo();
        Fake.Dispose();
    }
}
