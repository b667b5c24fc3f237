using System.Text.Json.Nodes;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Tests.Qmp;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Migrations;

/// <summary>
/// A captured guest goes to a QEMU that takes over with the last byte, or, driven over QMP, when it is told to: whatever fails on the
/// way, the guest is nowhere twice and nowhere lost.
/// </summary>
public sealed class CapturedHandoverTests : IDisposable
{
    readonly FakeDestination _fake = new(isQemu: true);
    readonly FakeQmpServer _qemu = new();
    readonly MemoryGuest _guest;
    volatile string _status = "inmigrate";

    public CapturedHandoverTests()
    {
        var memory = new GuestMemory([("pc.ram", 4 * TestGuests.MiB)]);
        ContentFill.Fill(memory.Ram, memory.Ram.Length, GuestContent.Mixed, 3);
        _guest = new MemoryGuest(Guid.NewGuid(), TestGuests.UniqueName(), TestGuests.UniqueName("captured"), memory, new CapturedMachine
        {
            Name = "pc-i440fx-7.2",
            Configuration = [],
            Sections = [],
            Description = "{}"u8.ToArray(),
        });
        GuestRegistry.Arrive(_guest, Guid.Empty);
        _qemu.Commands["query-status"] = _ => new JsonObject { ["status"] = _status };
        _qemu.Commands["cont"] = _ =>
        {
            _status = "running";
            return new JsonObject();
        };
        _fake.At(FakeStep.Description, fake =>
        {
            _status = "paused";
            fake.Answer(FakeStep.Description);
        });
    }

    [Fact]
    public void Driven_it_is_sent_paused_and_runs_when_it_is_told_to()
    {
        var result = Migrate(driven: true);
        Assert.Null(result.Error);
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (result.State, result.Location));
        Assert.False(_fake.WantsToRun);
        Assert.Equal("running", _status);
        Assert.Equal(GuestState.Removed, _guest.State);
    }

    [Fact]
    public void A_QEMU_that_can_t_go_on_has_it_and_it_is_kept_here_too()
    {
        _qemu.Commands["cont"] = _ => throw new QmpRefusal("Could not lock the image");
        var result = Migrate(driven: true);
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Destination), (result.State, result.Location));
        Assert.Equal((MigrationErrorId.QemuRefused, MigrationSide.Destination), (result.Error!.Id, result.Error.Side));
        Assert.Contains("stands there paused", result.Error.Message, StringComparison.Ordinal);
        Assert.Contains("Could not lock the image", result.Error.Message, StringComparison.Ordinal);
        AssertIsACopyHere();
    }

    [Fact]
    public void A_QEMU_that_says_yes_and_does_not_go_on_is_told()
    {
        _qemu.Commands["cont"] = _ => new JsonObject();
        var result = Migrate(driven: true, answer: TimeSpan.FromSeconds(2));
        Assert.Equal((MigrationErrorId.QmpTimeout, GuestLocation.Destination), (result.Error!.Id, result.Location));
        AssertIsACopyHere();
    }

    [Fact]
    public void A_QMP_that_is_lost_with_the_last_byte_leaves_it_paused_there()
    {
        _fake.At(FakeStep.Description, fake =>
        {
            _qemu.Drop();
            fake.Answer(FakeStep.Description);
        });
        var result = Migrate(driven: true);
        Assert.Equal((MigrationErrorId.QmpConnectionLost, GuestLocation.Destination), (result.Error!.Id, result.Location));
        Assert.DoesNotContain("cont", _qemu.Received);
        AssertIsACopyHere();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_link_that_is_lost_before_the_last_word_leaves_it_in_doubt_and_starts_nothing(bool driven)
    {
        _fake.CutAt(FakeStep.Description);
        var result = Migrate(driven);
        Assert.Equal((MigrationStatus.Failed, GuestLocation.InDoubt), (result.State, result.Location));
        Assert.Equal(MigrationErrorId.HandoverInDoubt, result.Error!.Id);
        Assert.DoesNotContain("cont", _qemu.Received);
        Assert.Equal(GuestState.InDoubt, _guest.State);
        Failing.With(MigrationErrorId.GuestInDoubt, () => _guest.Resume());
        AssertCanBeSentAgain();
    }

    [Fact]
    public void A_QEMU_that_waits_for_no_guest_is_not_the_one_that_is_migrated_to()
    {
        _status = "running";
        var result = Migrate(driven: true);
        Assert.Equal((MigrationErrorId.QemuRefused, MigrationPhase.Connect), (result.Error!.Id, result.Error.Phase));
        Assert.Equal((GuestLocation.Source, 0), (result.Location, _fake.Connections));
        Assert.DoesNotContain("cont", _qemu.Received);
        Assert.Equal(GuestState.Suspended, _guest.State);
    }

    MigrationResult Migrate(bool driven, TimeSpan? answer = null)
    {
        var parameters = new MigrationParameters { DestinationQmp = driven ? _qemu.Uri.ToString() : null, AnswerTimeout = answer ?? Patience.Limit };
        var migration = new OutgoingMigration(0, _guest, "fake", parameters, _fake.Connect);
        migration.Start();
        Assert.True(migration.Wait(Patience.Limit), $"The migration hangs in {migration.GetState().Phase}.");
        _fake.Join();
        Assert.False(_guest.IsBusy);
        return migration.Result!;
    }

    void AssertIsACopyHere()
    {
        Assert.Equal(GuestState.PostMigrate, _guest.State);
        Assert.Contains(_guest, TestGuests.On(_guest.Host));
        Failing.With(MigrationErrorId.GuestRunsElsewhere, () => _guest.Resume());
        AssertCanBeSentAgain();
    }

    /// <summary>It can't run here; that must not keep it here for ever.</summary>
    void AssertCanBeSentAgain()
    {
        _guest.Resume(force: true);
        Assert.Equal((GuestState.Suspended, null), (_guest.State, _guest.MovedTo));
        Failing.With(MigrationErrorId.UnsupportedByGuest, () => _guest.Resume(force: true));
        using var other = new FakeDestination(isQemu: true);
        var again = new OutgoingMigration(1, _guest, "other", new MigrationParameters(), other.Connect);
        again.Start();
        Assert.True(again.Wait(Patience.Limit));
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (again.Status, again.Result!.Location));
        Assert.Equal(GuestState.Removed, _guest.State);
    }

    public void Dispose()
    {
        _fake.Dispose();
        _qemu.Dispose();
        TestGuests.RemoveAll(_guest.Host);
    }
}
