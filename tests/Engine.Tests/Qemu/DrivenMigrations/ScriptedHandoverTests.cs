using System.Text.Json.Nodes;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Driven;
using PsMigrate.Engine.Tests.Qmp;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>The moment in which the guest changes hands, with ends that fail in it: it never runs twice.</summary>
public sealed class ScriptedHandoverTests : ScriptedPair
{
    [Fact]
    public void The_destination_runs_the_guest_only_after_the_source_has_completed()
    {
        var migration = Start();
        (Arrival, Destination.RunState) = ("completed", "paused");
        Assert.True(Destination.CountOf("stop") == 1 && Destination.CountOf("cont") == 0);
        Report("completed", "postmigrate");
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), Outcome(migration));
        Assert.Equal((1, 0), (Destination.CountOf("cont"), Source.CountOf("cont")));
    }

    [Fact]
    public void A_destination_that_fails_after_all_gives_the_guest_back()
    {
        var migration = Start();
        Arrival = "failed";
        Report("completed", "postmigrate");
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), Outcome(migration));
        Assert.Equal(MigrationErrorId.DestinationFailed, migration.Result!.Error!.Id);
        Assert.Equal((0, 1, "running"), (Destination.CountOf("cont"), Source.CountOf("cont"), Source.RunState));
    }

    [Fact]
    public void A_destination_that_ends_before_it_had_leave_gives_the_guest_back()
    {
        var migration = Start();
        Destination.Dispose();
        Report("completed", "postmigrate");
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), Outcome(migration));
        Assert.Equal(1, Source.CountOf("cont"));
    }

    [Fact]
    public void A_destination_that_is_lost_with_leave_leaves_it_in_doubt()
    {
        var migration = Start();
        (Arrival, Destination.RunState) = ("completed", "paused");
        Destination.Answer("cont", () =>
        {
            Destination.Server.Greeting = null;
            Destination.Server.Drop();
            return FakeQmpServer.Silence;
        });
        Report("completed", "postmigrate");
        Assert.Equal((MigrationStatus.Failed, GuestLocation.InDoubt), Outcome(migration));
        Assert.Equal(MigrationErrorId.HandoverInDoubt, migration.Result!.Error!.Id);
        Assert.Equal(0, Source.CountOf("cont"));
        Assert.Equal("postmigrate", Source.RunState);
    }

    [Fact]
    public void A_destination_that_refuses_to_run_it_gives_it_back()
    {
        var migration = Start();
        (Arrival, Destination.RunState) = ("completed", "paused");
        Destination.Answer("cont", () => throw new QmpRefusal("Could not lock the image"));
        Report("completed", "postmigrate");
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), Outcome(migration));
        Assert.Contains("Could not lock the image", migration.Result!.Error!.Message, StringComparison.Ordinal);
        Assert.Equal("running", Source.RunState);
    }

    [Fact]
    public void A_source_that_ends_with_all_sent_has_the_destination_run_it()
    {
        var migration = Start();
        (Arrival, Destination.RunState) = ("completed", "paused");
        Source.Dispose();
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), Outcome(migration));
        Assert.Equal(1, Destination.CountOf("cont"));
    }

    [Fact]
    public void A_broken_connection_to_the_source_is_made_anew()
    {
        var migration = Start();
        Source.Server.Drop();
        Patience.Until(() => migration.GetState().Decisions.Any(one => one.To == "connected again"), "connected again");
        (Arrival, Destination.RunState) = ("completed", "paused");
        Report("completed", "postmigrate");
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), Outcome(migration));
    }
}
