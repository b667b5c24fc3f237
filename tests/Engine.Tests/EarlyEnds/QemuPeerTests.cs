using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.EarlyEnds;

/// <summary>A destination that answers as a QEMU does: it gets only what it knows, and takes over with the last byte.</summary>
public sealed class QemuPeerTests
{
    static Rig NewRig() => new() { Parameters = new() { AnswerTimeout = TimeSpan.FromSeconds(20) } };

    [Fact]
    public void It_gets_RAM_and_a_paused_run_state_and_the_guest_stays_here_suspended()
    {
        using var rig = NewRig();
        using var fake = new FakeDestination(isQemu: true);
        var result = ScriptedDestinationTests.Migrate(rig, fake);
        Assert.Equal((MigrationStatus.Completed, GuestLocation.RamOnly), (result.State, result.Location));
        Assert.Equal(["ram", "globalstate"], fake.Sections);
        Assert.False(fake.WantsToRun);
        Assert.DoesNotContain(FakeStep.SwitchoverStart, fake.Seen);
        Assert.Equal(rig.Guest.Digest(), fake.Digest);
        Assert.Contains("psmigrate/cpu/1", result.LeftOut);
        Assert.Contains("READY and RUN", result.LeftOut);
        // Nothing runs over there, so nothing stands against running here again.
        Assert.Equal(GuestState.PostMigrate, rig.Guest.State);
        rig.Guest.Resume();
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void It_can_not_verify_and_that_is_said_before_any_page()
    {
        using var rig = NewRig();
        rig.Parameters = rig.Parameters with { Verify = true };
        using var fake = new FakeDestination(isQemu: true);
        var result = ScriptedDestinationTests.Migrate(rig, fake);
        Assert.Equal((MigrationErrorId.UnsupportedByPeer, MigrationSide.Destination), (result.Error!.Id, result.Error.Side));
        Assert.Equal(MigrationPhase.Ping, result.Error.Phase);
        Assert.DoesNotContain(FakeStep.RamStart, fake.Seen);
        rig.AssertRunsOnlyHere();
    }

    [Theory]
    [InlineData("RamPart")]
    [InlineData("RamEnd")]
    public void Lost_before_the_last_byte_the_guest_runs_on_here(string step)
    {
        using var rig = NewRig();
        using var fake = new FakeDestination(isQemu: true).CloseAt(Enum.Parse<FakeStep>(step));
        // What a QEMU has when the last byte was not sent is nothing; hold the source back until it has seen the end.
        rig.Parameters = rig.Parameters with { PauseBeforeSwitchover = step == "RamPart" };
        var result = ScriptedDestinationTests.Migrate(rig, fake);
        if (result.Location == GuestLocation.Source)
        {
            Assert.Equal((MigrationErrorId.ConnectionLost, MigrationSide.Link), (result.Error!.Id, result.Error.Side));
            rig.AssertRunsOnlyHere();
            return;
        }
        // The close and the last byte crossed: then nobody can say.
        Assert.Equal("RamEnd", step);
        Assert.Equal((MigrationErrorId.HandoverInDoubt, GuestLocation.InDoubt), (result.Error!.Id, result.Location));
    }

    [Theory]
    [InlineData("close")]
    [InlineData("cut")]
    [InlineData("silence")]
    [InlineData("nonsense")]
    public void Lost_after_the_last_byte_the_guest_is_in_doubt(string manner)
    {
        using var rig = NewRig();
        rig.Parameters = rig.Parameters with { AnswerTimeout = TimeSpan.FromSeconds(manner == "silence" ? 1 : 20) };
        using var fake = new FakeDestination(isQemu: true);
        if (manner == "close") fake.CloseAt(FakeStep.Description);
        if (manner == "cut") fake.CutAt(FakeStep.Description);
        if (manner == "silence") fake.SilentAt(FakeStep.Description);
        if (manner == "nonsense") fake.At(FakeStep.Description, one => new ReturnPathMessage((ReturnPathType)99, []).Send(one.Back));
        var result = ScriptedDestinationTests.Migrate(rig, fake);
        Assert.Equal((MigrationStatus.Failed, GuestLocation.InDoubt), (result.State, result.Location));
        Assert.Equal(MigrationErrorId.HandoverInDoubt, result.Error!.Id);
        Assert.Equal(rig.Guest.Digest(), fake.Digest);
        // A QEMU can't be asked: only the user can decide.
        Assert.Equal(MigrationErrorId.GuestInDoubt, Assert.Throws<MigrationException>(() => rig.Guest.Resume()).Id);
        rig.Guest.Resume(force: true);
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void A_QEMU_that_says_that_it_failed_leaves_the_guest_here()
    {
        using var rig = NewRig();
        using var fake = new FakeDestination(isQemu: true).At(FakeStep.Description, one => ReturnPathMessage.Shut(1).Send(one.Back));
        var result = ScriptedDestinationTests.Migrate(rig, fake);
        Assert.Equal((MigrationErrorId.DestinationFailed, MigrationSide.Destination, GuestLocation.Source),
            (result.Error!.Id, result.Error.Side, result.Location));
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void Page_requests_before_postcopy_are_tolerated_as_in_QEMU()
    {
        using var rig = NewRig();
        using var fake = new FakeDestination(isQemu: true).At(FakeStep.RamStart, one =>
        {
            new ReturnPathMessage(ReturnPathType.RequestPages, new byte[12]).Send(one.Back);
            new ReturnPathMessage(ReturnPathType.SwitchoverAck, []).Send(one.Back);
        });
        Assert.Equal(GuestLocation.RamOnly, ScriptedDestinationTests.Migrate(rig, fake).Location);
        Assert.Equal(rig.Guest.Digest(), fake.Digest);
    }
}
