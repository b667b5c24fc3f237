using System.Text.Json.Nodes;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Driven;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>A scripted QEMU at each end; tests say what state each is in.</summary>
public abstract class ScriptedPair : IDisposable
{
    private protected FakeQemu Source { get; } = Make("running");

    private protected FakeQemu Destination { get; } = Make("inmigrate");

    private protected Engine.Qemu.QemuGuest Guest { get; }

    /// <summary>What the source says of the migration.</summary>
    private protected string State { get; set; } = "none";

    /// <summary>What the destination says of it.</summary>
    private protected string Arrival { get; set; } = "none";

    private protected ScriptedPair()
    {
        Destination.Uuid = Source.Uuid;
        Source.Answer("query-migrate", () => Info(State));
        Destination.Answer("query-migrate", () => Info(Arrival));
        // A QEMU that waits stays as it is at a stop; it only remembers.
        Destination.Answer("stop", () => new JsonObject());
        Destination.Answer("migrate-incoming", () => new JsonObject());
        Source.Answer("migrate", () =>
        {
            Report("active");
            return new JsonObject();
        });
        Guest = Source.Connect();
    }

    public void Dispose()
    {
        Guest.LetGo();
        Source.Dispose();
        Destination.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected Migration Start()
    {
        var migration = Begin();
        Patience.Until(() => migration.Status == MigrationStatus.Active || migration.IsEnded, "it is active");
        Assert.False(migration.IsEnded, $"{migration.Result}");
        return migration;
    }

    private protected Migration Begin() => Migration.Start(Guest, MigrationUri.Parse("tcp:127.0.0.1:9"), new MigrationParameters
    {
        DestinationQmp = Destination.Server.Uri.ToString(), ConnectTimeout = TimeSpan.FromSeconds(5), SettleTimeout = TimeSpan.FromSeconds(5),
    });

    /// <summary>The source tells.</summary>
    private protected void Report(string status, string? runState = null)
    {
        Source.RunState = runState ?? Source.RunState;
        State = status;
        Source.Server.Emit("MIGRATION", new JsonObject { ["status"] = status });
    }

    private protected static (MigrationStatus, GuestLocation) Outcome(Migration migration) => (DrivenPair.End(migration).State, migration.Result!.Location);

    static JsonObject Info(string status) => status == "none" ? [] : new JsonObject { ["status"] = status, ["total-time"] = 5 };

    static FakeQemu Make(string runState)
    {
        var qemu = new FakeQemu { RunState = runState };
        qemu.Answer("query-migrate-capabilities", () => JsonNode.Parse("""[{"capability":"events","state":true},{"capability":"return-path","state":true}]"""));
        qemu.Answer("query-migrate-parameters", () => JsonNode.Parse("""{"downtime-limit":300,"max-bandwidth":0}"""));
        foreach (var command in new[] { "migrate-set-capabilities", "migrate-set-parameters" }) qemu.Answer(command, () => new JsonObject());
        return qemu;
    }
}
