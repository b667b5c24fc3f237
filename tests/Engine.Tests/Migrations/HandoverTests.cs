using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Migrations;

/// <summary>A guest changes hands: what arrives, what stays, and what the source refuses.</summary>
public sealed class HandoverTests
{
    [Fact]
    public void A_running_guest_runs_there_and_is_gone_here()
    {
        using var rig = new Rig();
        var result = rig.Finish();
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (result.State, result.Location));
        Assert.True(result.Verified);
        Assert.Null(result.Error);
        rig.AssertRunsOnlyThere();
        Assert.Equal(GuestState.Removed, rig.Guest.State);
        Assert.Empty(TestGuests.On(rig.Options.Host));
    }

    [Fact]
    public void A_suspended_guest_arrives_suspended_and_goes_on_when_told()
    {
        using var rig = new Rig();
        TestGuests.WaitForTick(rig.Guest, 100);
        rig.Guest.Suspend();
        var (digest, ticks, uptime) = (rig.Guest.Digest(), rig.Guest.Ticks, rig.Guest.Uptime);
        Assert.True(rig.Finish().Verified);
        var arrived = rig.Arrived!;
        Assert.Equal(GuestState.Suspended, arrived.State);
        Assert.Equal(digest, arrived.Digest());
        Assert.Equal(ticks, arrived.Ticks);
        Assert.Equal(uptime.Ticks, arrived.Uptime.Ticks);
        arrived.Resume();
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void A_guest_that_was_suspended_while_it_migrated_arrives_suspended()
    {
        using var rig = new Rig();
        rig.PhaseEntered = phase =>
        {
            if (phase == MigrationPhase.Completion) rig.Guest.Suspend();
        };
        Assert.True(rig.Finish().Verified);
        Assert.Equal(GuestState.Suspended, rig.Arrived!.State);
        Reference.AssertIntact(rig.Options, rig.Arrived);
    }

    [Fact]
    public void A_kept_source_is_a_suspended_copy_that_runs_only_by_force()
    {
        using var rig = new Rig();
        rig.Parameters = rig.Parameters with { KeepSource = true };
        Assert.True(rig.Finish().Verified);
        Assert.Equal(GuestState.PostMigrate, rig.Guest.State);
        Assert.Equal("rig", rig.Guest.MovedTo);
        Reference.AssertIntact(rig.Options, rig.Guest);
        var error = Assert.Throws<MigrationException>(() => rig.Guest.Resume());
        Assert.Equal((MigrationErrorId.GuestRunsElsewhere, GuestLocation.Destination), (error.Id, error.Location!.Value));
        Assert.Equal(MigrationErrorId.GuestRunsElsewhere, Assert.Throws<MigrationException>(() => rig.Start()).Id);
        rig.AssertRunsOnlyThere();
        rig.Guest.Resume(force: true);
        Assert.Equal(GuestState.Running, rig.Guest.State);
    }

    [Fact]
    public void To_the_same_host_the_guest_takes_its_own_place()
    {
        var options = TestGuests.Options();
        var guest = TestGuests.Create(options);
        var migration = Migration.Start(guest, MigrationUri.Parse($"local:{options.Host}"), new MigrationParameters { Verify = true });
        Assert.True(migration.Wait(Patience.Limit));
        Assert.True(migration.Result!.Verified, migration.Result.ToString());
        var arrived = Assert.Single(TestGuests.On(options.Host));
        Assert.NotSame(guest, arrived);
        Assert.Equal((GuestState.Removed, GuestState.Running), (guest.State, arrived.State));
        Reference.AssertIntact(options, arrived);
        GuestRegistry.Remove(arrived);
    }

    [Fact]
    public void KeepSource_on_the_same_host_is_refused_before_anything_happens()
    {
        var options = TestGuests.Options(GuestWorkload.Idle);
        var guest = TestGuests.Create(options);
        var error = Assert.Throws<MigrationException>(() =>
            Migration.Start(guest, MigrationUri.Parse($"local:{options.Host}"), new MigrationParameters { KeepSource = true }));
        Assert.Equal(MigrationErrorId.DuplicateGuestName, error.Id);
        Assert.False(guest.IsBusy);
        GuestRegistry.Remove(guest);
    }

    [Fact]
    public void A_wrong_digest_keeps_the_guest_here()
    {
        using var rig = new Rig();
        var fake = new FakeDestination().At(FakeStep.Description, one => ReturnPathMessage.Ready(Guid.NewGuid(), new byte[16]).Send(one.Back));
        using var _ = fake;
        var outgoing = new Source.OutgoingMigration(0, rig.Guest, "fake", rig.Parameters, fake.Connect);
        outgoing.Start();
        Assert.True(outgoing.Wait(Patience.Limit));
        fake.Join();
        var result = outgoing.Result!;
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal((MigrationErrorId.VerifyMismatch, MigrationSide.Link), (result.Error!.Id, result.Error.Side));
        Assert.False(result.Verified);
        Assert.Equal(fake.Digest, result.SourceDigest);
        Assert.DoesNotContain(FakeStep.Run, fake.Seen);
        rig.AssertRunsOnlyHere();
    }

    [Theory]
    [InlineData(null, true)]
    [InlineData(0x50534D83u, false)]
    public void A_destination_of_an_older_release_gives_a_digest_of_memory_alone(uint? pong, bool givesAll)
    {
        using var rig = new Rig();
        using var fake = new FakeDestination { ExtensionPong = pong };
        var outgoing = new Source.OutgoingMigration(0, rig.Guest, "fake", rig.Parameters, fake.Connect);
        outgoing.Start();
        Assert.True(outgoing.Wait(Patience.Limit));
        fake.Join();
        var result = outgoing.Result!;
        Assert.True(result is { State: MigrationStatus.Completed, Verified: true }, $"{result}");
        Assert.Equal(fake.Digest, result.DestinationDigest);
        Assert.NotNull(result.SourceStateDigest);
        Assert.Equal(givesAll ? result.SourceStateDigest : null, result.DestinationStateDigest);
        Assert.Equal(givesAll ? 0 : 1, outgoing.GetState().Decisions.Count(one => one is { What: "Verify", To: "memory" }));
    }

    [Fact]
    public void Several_guests_migrate_at_once_and_each_arrives_whole()
    {
        var rigs = Enumerable.Range(0, 6).Select(i => new Rig(TestGuests.Options((GuestWorkload)(1 + (i % 4)), 4 * TestGuests.MiB))).ToList();
        rigs.ForEach(rig => rig.Start());
        rigs.ForEach(rig => Assert.True(rig.Finish().Verified, rig.Finish().ToString()));
        rigs.ForEach(rig => rig.AssertRunsOnlyThere());
        rigs.ForEach(rig => rig.Dispose());
    }
}
