using System.Text.Json.Nodes;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qmp;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>QMP that breaks, and answers that nobody hoped for, at each command between the ends.</summary>
public sealed class ScriptedTroubleTests : ScriptedPair
{
    [Fact]
    public void A_cancel_that_is_lost_with_its_connection_is_sent_again()
    {
        var migration = Start();
        Source.Answer("migrate_cancel", () =>
        {
            if (Source.CountOf("migrate_cancel") == 1) return Lost(Source);
            Report("cancelled");
            return new JsonObject();
        });
        Assert.Equal(CancelOutcome.Cancelled, migration.Cancel().Outcome);
        Assert.Equal((MigrationStatus.Cancelled, GuestLocation.Source), Outcome(migration));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Going_over_that_is_lost_with_its_connection_is_asked_for_again(bool isAllowed)
    {
        using var qemu = new ScriptedSource();
        var policy = new MigrationPolicy { Name = "over", Rules = [new PolicyRule { Then = PolicyAction.Parse("SwitchToPostcopy"), When = [PolicyCondition.Parse("Pass >= 2")], Once = true }] };
        qemu.Fake.Answer("migrate-start-postcopy", () => qemu.Fake.CountOf("migrate-start-postcopy") == 1 ? Lost(qemu.Fake)
            : isAllowed ? new JsonObject() : throw new QmpRefusal("Not today."));
        var migration = qemu.Start(new MigrationParameters { Policy = policy, Postcopy = true });
        for (var pass = 1; pass <= 3; pass++)
        {
            qemu.Pass(pass, transferred: pass << 24, normal: pass << 12, remaining: 1 << 24);
            Patience.Until(() => migration.GetState().Current.Qemu.DirtySyncCount >= pass, $"pass {pass}");
        }
        Patience.Until(() => migration.GetState().Decisions.Any(one => one.What == "Mode" && one.To == (isAllowed ? "postcopy" : "refused")), "the answer");
        Assert.Equal(2, qemu.Fake.CountOf("migrate-start-postcopy"));
        Assert.Equal(isAllowed ? CancelOutcome.TooLate : CancelOutcome.Cancelled, migration.Cancel().Outcome);
        if (isAllowed) qemu.Report("failed");
        DrivenPair.End(migration);
    }

    [Fact]
    public void Leave_to_go_on_that_is_lost_with_its_connection_is_given_again()
    {
        var migration = Start();
        Source.Answer("migrate-continue", () =>
        {
            if (Source.CountOf("migrate-continue") == 1) return Lost(Source);
            (Arrival, Destination.RunState) = ("completed", "paused");
            Report("completed", "postmigrate");
            return new JsonObject();
        });
        Report("pre-switchover", "finish-migrate");
        DrivenPair.Await(migration, MigrationStatus.PreSwitchover);
        migration.Complete();
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), Outcome(migration));
    }

    [Fact]
    public void A_start_whose_answer_is_lost_is_followed_all_the_same()
    {
        Source.Answer("migrate", () =>
        {
            State = "active";
            return Lost(Source);
        });
        var migration = Start();
        (Arrival, Destination.RunState) = ("completed", "paused");
        Report("completed", "postmigrate");
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), Outcome(migration));
        Assert.Equal(1, Destination.CountOf("cont"));
    }

    [Theory]
    [InlineData("none")]
    [InlineData("completed")]
    public void A_start_that_is_lost_on_its_way_leaves_the_guest_here(string before)
    {
        State = before;
        Source.Answer("migrate", () => Lost(Source));
        var migration = Begin();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), Outcome(migration));
        Assert.Equal(MigrationErrorId.QmpConnectionLost, migration.Result!.Error!.Id);
        Assert.Equal((0, 0), (Destination.CountOf("cont"), Source.CountOf("cont")));
    }

    [Fact]
    public void A_refusal_after_leave_that_got_no_answer_leaves_it_in_doubt()
    {
        var migration = Start();
        (Arrival, Destination.RunState) = ("completed", "paused");
        // It ran, and shut down, before it was asked again.
        Destination.Answer("cont", () => Destination.CountOf("cont") == 1 ? Lost(Destination) : throw new QmpRefusal("Resetting the Virtual Machine is required"));
        Report("completed", "postmigrate");
        Assert.Equal((MigrationStatus.Failed, GuestLocation.InDoubt), Outcome(migration));
        Assert.Equal(0, Source.CountOf("cont"));
    }

    [Fact]
    public void In_doubt_until_the_destination_says_that_it_failed_it_runs_here()
    {
        var migration = Start();
        (Arrival, Destination.RunState) = ("completed", "paused");
        var greeting = Destination.Server.Greeting;
        Destination.Answer("cont", () =>
        {
            Destination.Server.Greeting = null;
            return Lost(Destination);
        });
        Report("completed", "postmigrate");
        Assert.Equal((MigrationStatus.Failed, GuestLocation.InDoubt), Outcome(migration));
        (Destination.Server.Greeting, Arrival) = (greeting, "failed");
        Destination.Server.Drop();
        Guest.Resume();
        Assert.Equal("running", Source.RunState);
    }

    [Fact]
    public void A_guest_that_came_back_and_could_not_be_started_can_be_resumed()
    {
        var migration = Start();
        Arrival = "failed";
        Source.Answer("cont", () =>
        {
            if (Source.CountOf("cont") == 1) throw new QmpRefusal("Failed to get write lock");
            Source.RunState = "running";
            return new JsonObject();
        });
        Report("completed", "postmigrate");
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), Outcome(migration));
        Assert.Equal(MigrationErrorId.DestinationFailed, migration.Result!.Error!.Id);
        Assert.Contains("Failed to get write lock", migration.Result.Error.Message, StringComparison.Ordinal);
        Guest.Resume();
        Assert.Equal((GuestState.Running, 2), (Guest.State, Source.CountOf("cont")));
    }

    [Fact]
    public void A_guest_in_postcopy_that_the_destination_does_not_run_is_a_failure()
    {
        var migration = Start();
        (Arrival, Destination.RunState) = ("active", "paused");
        Destination.Answer("cont", () => throw new QmpRefusal("Could not lock the image"));
        Report("postcopy-active", "finish-migrate");
        Patience.Until(() => Destination.CountOf("cont") == 1, "it is told to run it");
        Arrival = "completed";
        Report("completed", "postmigrate");
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Destination), Outcome(migration));
        Assert.Contains("Could not lock the image", migration.Result!.Error!.Message, StringComparison.Ordinal);
        Assert.Equal(0, Source.CountOf("cont"));
    }

    [Fact]
    public void Who_waits_for_a_cancel_learns_that_somebody_else_switched_to_postcopy()
    {
        using var gate = new ManualResetEventSlim();
        using var waits = new ManualResetEventSlim();
        var migration = Start();
        Source.Answer("query-migrate", () =>
        {
            waits.Set();
            gate.Wait(Patience.Limit);
            return new JsonObject { ["status"] = State };
        });
        Assert.True(waits.Wait(Patience.Limit));
        var cancel = Task.Run(() => migration.Cancel());
        Patience.Until(() => migration.Status == MigrationStatus.Cancelling, "it is to be cancelled");
        State = "postcopy-active";
        gate.Set();
        Assert.True(cancel.Wait(Patience.Limit));
        Assert.Equal(CancelOutcome.TooLate, cancel.Result.Outcome);
        Assert.Equal(0, Source.CountOf("migrate_cancel"));
    }

    [Fact]
    public void A_guest_whose_destination_waits_for_this_session_is_not_let_go()
    {
        var migration = Start();
        Assert.Equal(MigrationErrorId.GuestBusy, Assert.Throws<MigrationException>(Guest.Disconnect).Id);
        (Arrival, Destination.RunState) = ("completed", "paused");
        Report("completed", "postmigrate");
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), Outcome(migration));
        Guest.Disconnect();
        Assert.Null(GuestRegistry.Find(Guest.Host, Guest.Name));
    }

    [Fact]
    public void A_migration_of_somebody_else_is_left_as_it_is()
    {
        State = "active";
        Assert.Equal(MigrationErrorId.GuestBusy, Assert.Throws<MigrationException>(() => Begin()).Id);
        Assert.DoesNotContain(Source.Server.Received, one => one.StartsWith("migrate", StringComparison.Ordinal));
        Assert.Equal(0, Destination.CountOf("stop"));
        Assert.False(Guest.IsBusy);
    }

    [Theory]
    [InlineData("active")]
    [InlineData("failed")]
    public void A_destination_that_has_had_its_migration_is_left_alone(string arrival)
    {
        Arrival = arrival;
        var migration = Begin();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), Outcome(migration));
        Assert.Equal(MigrationErrorId.DestinationRefused, migration.Result!.Error!.Id);
        Assert.Equal((0, 0), (Destination.CountOf("stop"), Source.CountOf("migrate")));
    }

    static JsonNode Lost(Driven.FakeQemu qemu)
    {
        qemu.Server.Drop();
        return FakeQmpServer.Silence;
    }
}
