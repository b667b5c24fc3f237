using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Postcopy;

/// <summary>A postcopy that its source gives up, or that its source fails in: what became of the guest is said, and no more.</summary>
public sealed class SourceGivenUpTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Given_up_it_is_lost_where_it_ran_and_here_where_it_never_did(bool isQemu)
    {
        using var rig = new SourceRig(isQemu);
        rig.Parameters = rig.Parameters with { MaxPostcopyBandwidth = 1 };
        rig.Fake.CutAt(PostcopyStep.Pages);
        rig.Start();
        rig.Await(MigrationStatus.PostcopyPaused);
        rig.Outgoing.GiveUp();
        if (!isQemu)
        {
            rig.AssertLost();
            return;
        }
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source, MigrationErrorId.DestinationFailed), (rig.Finish().State, rig.Outgoing.Result!.Location, rig.Outgoing.Result.Error!.Id));
        rig.AssertRunsHere();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Given_up_when_all_has_left_it_may_run_there_and_is_not_offered_as_it_was(bool anotherOrNone)
    {
        using var rig = new SourceRig();
        rig.Fake.CutAt(PostcopyStep.Eof);
        rig.Start();
        rig.Await(MigrationStatus.PostcopyPaused);
        if (anotherOrNone)
        {
            rig.Fake.Outcome = HandoverOutcome.Unknown;
            Failing.With(MigrationErrorId.HandoverInDoubt, () => rig.Outgoing.Recover(null));
        }
        else
        {
            rig.Fake.IsGone = true;
            rig.Outgoing.GiveUp();
        }
        var result = rig.Finish();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.InDoubt, MigrationErrorId.HandoverInDoubt), (result.State, result.Location, result.Error!.Id));
        Assert.Equal(GuestState.InDoubt, rig.Guest.State);
        Failing.With(MigrationErrorId.GuestInDoubt, () => rig.Guest.Resume());
    }

    [Theory]
    [InlineData(0, GuestState.PostMigrate, MigrationErrorId.GuestRunsElsewhere)]
    [InlineData(1, GuestState.Lost, MigrationErrorId.GuestLost)]
    public void One_in_doubt_is_settled_by_the_destinations_last_words(uint shut, GuestState state, MigrationErrorId refusal)
    {
        using var rig = new SourceRig();
        rig.Fake.CutAt(PostcopyStep.Eof);
        rig.Start();
        rig.Await(MigrationStatus.PostcopyPaused);
        rig.Fake.IsGone = true;
        rig.Outgoing.GiveUp();
        Assert.Equal(GuestState.InDoubt, rig.Guest.State);
        rig.Fake.At(PostcopyStep.Join, link =>
        {
            link.Answer(PostcopyStep.Join);
            link.Say(ReturnPathMessage.Shut(shut));
            link.WaitForEnd();
        }, link: 1);
        rig.Fake.IsGone = false;
        Failing.With(refusal, () => rig.Guest.Resume());
        Assert.Equal(state, rig.Guest.State);
    }

    [Fact]
    public void Given_up_at_another_receiver_it_may_still_run_at_the_right_one()
    {
        using var rig = new SourceRig();
        rig.Parameters = rig.Parameters with { MaxPostcopyBandwidth = 1 };
        rig.Fake.CutAt(PostcopyStep.Pages);
        rig.Start();
        rig.Await(MigrationStatus.PostcopyPaused);
        rig.Fake.Instance = Guid.NewGuid();
        rig.Outgoing.GiveUp();
        Assert.True(rig.Guest.MayRunElsewhere);
        Assert.Contains("may still run at fake", rig.Finish().Error!.Message, StringComparison.Ordinal);
        Assert.Contains("end it there first", Failing.With(MigrationErrorId.GuestLost, () => rig.Guest.Resume()).Message, StringComparison.Ordinal);
        rig.AssertLost();
        Assert.False(rig.Guest.MayRunElsewhere);
    }

    [Fact]
    public void Given_up_and_told_it_runs_nowhere_else()
    {
        using var rig = new SourceRig();
        rig.Parameters = rig.Parameters with { MaxPostcopyBandwidth = 1 };
        rig.Fake.CutAt(PostcopyStep.Pages).At(PostcopyStep.Join, link =>
        {
            link.Answer(PostcopyStep.Join);
            link.Say(ReturnPathMessage.Failure(MigrationErrorId.GuestLost, "given up"), ReturnPathMessage.Shut(1));
            link.WaitForEnd();
        }, link: 1);
        rig.Start();
        rig.Await(MigrationStatus.PostcopyPaused);
        rig.Outgoing.GiveUp();
        Assert.Equal((GuestState.Lost, false), (rig.Guest.State, rig.Guest.MayRunElsewhere));
        rig.AssertLost();
        Assert.DoesNotContain("end it there first", rig.Outgoing.Result!.Error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Given_up_when_it_is_whole_there_it_has_completed()
    {
        using var rig = new SourceRig();
        rig.Fake.CutAt(PostcopyStep.Eof).At(PostcopyStep.Join, link =>
        {
            link.Answer(PostcopyStep.Join);
            link.Say(ReturnPathMessage.Shut(0));
            link.WaitForEnd();
        }, link: 1);
        rig.Start();
        rig.Await(MigrationStatus.PostcopyPaused);
        rig.Outgoing.GiveUp();
        rig.FinishWell();
    }

    [Fact]
    public void An_engine_that_fails_in_postcopy_does_not_say_that_all_is_there()
    {
        using var rig = new SourceRig();
        rig.Parameters = rig.Parameters with { MaxPostcopyBandwidth = 1 };
        rig.Start(phase =>
        {
            if (phase == MigrationPhase.DetectError && rig.Outgoing?.Status == MigrationStatus.PostcopyActive) throw new InvalidOperationException("Out of luck.");
        });
        rig.AssertLost();
    }

    [Fact]
    public void Nobody_waits_for_a_recovery_of_one_that_is_about_to_end()
    {
        using var rig = new SourceRig();
        rig.Parameters = rig.Parameters with { MaxPostcopyBandwidth = 1 };
        rig.Fake.CutAt(PostcopyStep.Pages);
        using var asked = new ManualResetEventSlim();
        MigrationException? refused = null;
        var recovery = new Thread(() =>
        {
            try
            {
                rig.Outgoing.Recover(null);
            }
            catch (MigrationException e)
            {
                refused = e;
            }
            asked.Set();
        }) { IsBackground = true };
        rig.Start(phase =>
        {
            if (phase != MigrationPhase.Finish) return;
            recovery.Start();
            Patience.For(asked, "an answer to the recovery");
        });
        rig.Await(MigrationStatus.PostcopyPaused);
        rig.Fake.Outcome = HandoverOutcome.Unknown;
        Failing.With(MigrationErrorId.GuestLost, () => rig.Outgoing.Recover(null));
        rig.AssertLost();
        Assert.Equal(MigrationErrorId.InvalidState, refused!.Id);
    }
}
