using System.Text.Json.Nodes;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Driven;
using PsMigrate.Engine.Tests.Qmp;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>The moment in which the guest changes hands, with ends that fail in it: it never runs twice.</summary>
public sealed class ScriptedHandoverTests : IDisposable
{
    readonly FakeQemu _source = Make("running");
    readonly FakeQemu _destination = Make("inmigrate");
    readonly Engine.Qemu.QemuGuest _guest;
    string _state = "none";
    string _arrival = "none";

    public ScriptedHandoverTests()
    {
        _destination.Uuid = _source.Uuid;
        _source.Answer("query-migrate", () => Info(_state));
        _destination.Answer("query-migrate", () => Info(_arrival));
        // A QEMU that waits stays as it is at a stop; it only remembers.
        _destination.Answer("stop", () => new JsonObject());
        _destination.Answer("migrate-incoming", () => new JsonObject());
        _source.Answer("migrate", () =>
        {
            Report("active");
            return new JsonObject();
        });
        _guest = _source.Connect();
    }

    [Fact]
    public void The_destination_runs_the_guest_only_after_the_source_has_completed()
    {
        var migration = Start();
        (_arrival, _destination.RunState) = ("completed", "paused");
        Assert.True(_destination.CountOf("stop") == 1 && _destination.CountOf("cont") == 0);
        Report("completed", "postmigrate");
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), Outcome(migration));
        Assert.Equal((1, 0), (_destination.CountOf("cont"), _source.CountOf("cont")));
    }

    [Fact]
    public void A_destination_that_fails_after_all_gives_the_guest_back()
    {
        var migration = Start();
        _arrival = "failed";
        Report("completed", "postmigrate");
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), Outcome(migration));
        Assert.Equal(MigrationErrorId.DestinationFailed, migration.Result!.Error!.Id);
        Assert.Equal((0, 1, "running"), (_destination.CountOf("cont"), _source.CountOf("cont"), _source.RunState));
    }

    [Fact]
    public void A_destination_that_ends_before_it_had_leave_gives_the_guest_back()
    {
        var migration = Start();
        _destination.Dispose();
        Report("completed", "postmigrate");
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), Outcome(migration));
        Assert.Equal(1, _source.CountOf("cont"));
    }

    [Fact]
    public void A_destination_that_is_lost_with_leave_leaves_it_in_doubt()
    {
        var migration = Start();
        (_arrival, _destination.RunState) = ("completed", "paused");
        _destination.Answer("cont", () =>
        {
            _destination.Server.Greeting = null;
            _destination.Server.Drop();
            return FakeQmpServer.Silence;
        });
        Report("completed", "postmigrate");
        Assert.Equal((MigrationStatus.Failed, GuestLocation.InDoubt), Outcome(migration));
        Assert.Equal(MigrationErrorId.HandoverInDoubt, migration.Result!.Error!.Id);
        Assert.Equal(0, _source.CountOf("cont"));
        Assert.Equal("postmigrate", _source.RunState);
    }

    [Fact]
    public void A_destination_that_refuses_to_run_it_gives_it_back()
    {
        var migration = Start();
        (_arrival, _destination.RunState) = ("completed", "paused");
        _destination.Answer("cont", () => throw new QmpRefusal("Could not lock the image"));
        Report("completed", "postmigrate");
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), Outcome(migration));
        Assert.Contains("Could not lock the image", migration.Result!.Error!.Message, StringComparison.Ordinal);
        Assert.Equal("running", _source.RunState);
    }

    [Fact]
    public void A_source_that_ends_with_all_sent_has_the_destination_run_it()
    {
        var migration = Start();
        (_arrival, _destination.RunState) = ("completed", "paused");
        _source.Dispose();
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), Outcome(migration));
        Assert.Equal(1, _destination.CountOf("cont"));
    }

    [Fact]
    public void A_broken_connection_to_the_source_is_made_anew()
    {
        var migration = Start();
        _source.Server.Drop();
        Patience.Until(() => migration.GetState().Decisions.Any(one => one.To == "connected again"), "connected again");
        (_arrival, _destination.RunState) = ("completed", "paused");
        Report("completed", "postmigrate");
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), Outcome(migration));
    }

    public void Dispose()
    {
        _guest.Disconnect();
        _source.Dispose();
        _destination.Dispose();
    }

    Migration Start()
    {
        var migration = Migration.Start(_guest, MigrationUri.Parse("tcp:127.0.0.1:9"), new MigrationParameters
        {
            DestinationQmp = _destination.Server.Uri.ToString(), ConnectTimeout = TimeSpan.FromSeconds(1), SettleTimeout = TimeSpan.FromSeconds(1),
        });
        Patience.Until(() => migration.Status == MigrationStatus.Active || migration.IsEnded, "it is active");
        Assert.False(migration.IsEnded, $"{migration.Result}");
        return migration;
    }

    void Report(string status, string? runState = null)
    {
        _source.RunState = runState ?? _source.RunState;
        _state = status;
        _source.Server.Emit("MIGRATION", new JsonObject { ["status"] = status });
    }

    static (MigrationStatus, GuestLocation) Outcome(Migration migration) => (DrivenPair.End(migration).State, migration.Result!.Location);

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
