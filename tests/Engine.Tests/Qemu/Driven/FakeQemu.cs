using System.Text.Json.Nodes;
using PsMigrate.Engine.Qemu;
using PsMigrate.Engine.Tests.Qmp;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu.Driven;

/// <summary>A scripted QEMU that answers what is asked of a guest; tests change its words and its handlers.</summary>
sealed class FakeQemu : IDisposable
{
    public FakeQemu(int major = 10, int minor = 0)
    {
        Server.Greeting = FakeQmpServer.GreetingOf(major, minor, 2, "oob");
        Answer("query-version", () => JsonNode.Parse($$"""{"qemu":{"major":{{major}},"minor":{{minor}},"micro":2},"package":"fake"}"""));
        Answer("query-status", () => new JsonObject { ["status"] = RunState, ["running"] = RunState == "running" });
        Answer("query-memory-size-summary", () => JsonNode.Parse("""{"base-memory":67108864,"plugged-memory":1048576}"""));
        Answer("query-cpus-fast", () => JsonNode.Parse("""[{"cpu-index":0},{"cpu-index":1}]"""));
        Answer("query-uuid", () => new JsonObject { ["UUID"] = Uuid.ToString() });
        Answer("query-name", () => Name is null ? new JsonObject() : new JsonObject { ["name"] = Name });
        Answer("query-kvm", () => new JsonObject { ["enabled"] = IsKvm, ["present"] = true });
        Answer("x-query-jit", () => IsKvm ? throw new QmpRefusal("JIT information is only available with accel=tcg")
            : new JsonObject { ["human-readable-text"] = "" });
        Answer("qom-get", () => "pc-i440fx-10.0-machine");
        Answer("query-migrate-capabilities", () => JsonNode.Parse("""[{"capability":"xbzrle","state":false},{"capability":"events","state":true}]"""));
        Answer("query-migrate", () => JsonNode.Parse("""{"blocked-reasons":["a device forbids it"]}"""));
        Answer("stop", () => Change("paused", "STOP"));
        Answer("cont", () => Change("running", "RESUME"));
    }

    public FakeQmpServer Server { get; } = new();

    public string RunState { get; set; } = "running";

    public string? Name { get; set; } = $"fake-{Guid.NewGuid():N}";

    public Guid Uuid { get; set; } = Guid.NewGuid();

    public bool IsKvm { get; set; }

    public int CountOf(string command) => Server.Received.Count(one => one == command);

    public void Answer(string command, Func<JsonNode?> answer) => Server.Commands[command] = _ => answer();

    /// <summary>Never answers the command.</summary>
    public void Hang(string command) => Server.Commands[command] = _ => FakeQmpServer.Silence;

    public QemuGuest Connect(string? name = null, TimeSpan? timeout = null) =>
        QemuGuest.Connect(Server.Uri, name, host: null, timeout ?? Patience.Limit);

    public void Dispose() => Server.Dispose();

    JsonObject Change(string runState, string what)
    {
        RunState = runState;
        Server.Emit(what);
        return new JsonObject();
    }
}
