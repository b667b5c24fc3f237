using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Postcopy;

/// <summary>A link that is cut while pages follow, and the recovery that is cut or answered wrongly: the source waits, and goes on.</summary>
public sealed class SourceRecoveryTests
{
    static readonly PostcopyStep[] AfterRunning = [PostcopyStep.Pages, PostcopyStep.RamEnd, PostcopyStep.Eof];

    public static TheoryData<bool, string> LaterSteps
    {
        get
        {
            var steps = new TheoryData<bool, string>();
            foreach (var isQemu in new[] { false, true })
                foreach (var step in AfterRunning) steps.Add(isQemu, step.ToString());
            return steps;
        }
    }

    [Theory]
    [MemberData(nameof(LaterSteps))]
    public void A_link_that_is_cut_while_pages_follow_is_made_anew_twice(bool isQemu, string stepName)
    {
        var step = Enum.Parse<PostcopyStep>(stepName);
        using var rig = new SourceRig(isQemu);
        rig.Fake.CutAt(step).CutAt(step, link: 1);
        // So that there is more than one section of them.
        rig.Parameters = rig.Parameters with { MaxPostcopyBandwidth = 8 << 20 };
        rig.Start();
        for (var i = 0; i < 2; i++)
        {
            rig.Await(MigrationStatus.PostcopyPaused);
            var state = rig.Outgoing.GetState();
            Assert.Equal(isQemu ? GuestLocation.RamOnly : GuestLocation.Destination, state.Location);
            Assert.True(rig.Guest.IsBusy);
            Assert.Equal(CancelOutcome.TooLate, rig.Outgoing.Cancel(wait: true).Outcome);
            rig.Outgoing.Recover(null);
        }
        rig.FinishWell();
        Assert.Equal(3, rig.Fake.Connections);
        Assert.Equal(2, rig.Outgoing.GetState().Decisions.Count(one => one is { What: "Recovery", To: "connected" }));
    }

    [Theory]
    [InlineData(PostcopyStep.Join)]
    [InlineData(PostcopyStep.Bitmap)]
    [InlineData(PostcopyStep.Resume)]
    public void A_recovery_that_breaks_leaves_it_paused_as_before(object at)
    {
        var step = (PostcopyStep)at;
        using var rig = new SourceRig();
        rig.Fake.CutAt(PostcopyStep.Pages).CutAt(step, link: 1);
        rig.Start();
        rig.Await(MigrationStatus.PostcopyPaused);
        Assert.Equal(GuestLocation.Destination, Failing.With(MigrationErrorId.ConnectionLost, () => rig.Outgoing.Recover(null)).Location);
        Assert.Equal(MigrationStatus.PostcopyPaused, rig.Outgoing.Status);
        Assert.Contains(rig.Outgoing.GetState().Decisions, one => one is { What: "Recovery", To: "failed" });
        rig.Outgoing.Recover(null);
        rig.FinishWell();
    }

    [Theory]
    [InlineData("size", MigrationErrorId.InvalidLength)]
    [InlineData("huge", MigrationErrorId.InvalidLength)]
    [InlineData("end", MigrationErrorId.InvalidValue)]
    [InlineData("block", MigrationErrorId.OutOfOrder)]
    [InlineData("ack", MigrationErrorId.InvalidValue)]
    public void A_hostile_answer_to_a_recovery_ends_that_recovery_only(string manner, MigrationErrorId expected)
    {
        using var rig = new SourceRig();
        rig.Fake.CutAt(PostcopyStep.Pages);
        if (manner == "ack") rig.Fake.At(PostcopyStep.Resume, link => link.Say(new ReturnPathMessage(ReturnPathType.ResumeAck, [0, 0, 0, 2])), link: 1);
        else rig.Fake.At(PostcopyStep.Bitmap, link => SayBitmap(link, manner), link: 1);
        rig.Start();
        rig.Await(MigrationStatus.PostcopyPaused);
        Failing.With(expected, () => rig.Outgoing.Recover(null));
        rig.Outgoing.Recover(null);
        rig.FinishWell();
    }

    [Fact]
    public void The_last_words_that_were_lost_are_said_once_more()
    {
        using var rig = new SourceRig(fake: new FakePostcopy { Figures = new PostcopyFigures { Faults = 7 } });
        rig.Fake.CutAt(PostcopyStep.Eof).At(PostcopyStep.Join, link =>
        {
            link.Answer(PostcopyStep.Join);
            link.SayLastWords();
            link.WaitForEnd();
        }, link: 1);
        rig.Start();
        rig.Await(MigrationStatus.PostcopyPaused);
        rig.Outgoing.Recover(null);
        Assert.Equal(7, rig.FinishWell().Postcopy!.Faults);
    }

    [Fact]
    public void It_is_paused_on_purpose_and_goes_on_at_another_address()
    {
        using var rig = new SourceRig();
        rig.Parameters = rig.Parameters with { MaxPostcopyBandwidth = 1 };
        rig.Start();
        rig.Await(MigrationStatus.PostcopyActive);
        rig.Outgoing.Pause();
        Assert.Equal(MigrationStatus.PostcopyPaused, rig.Outgoing.Status);
        Assert.Contains(rig.Outgoing.GetState().Decisions, one => one is { What: "Link", To: "broken on purpose" });
        Assert.Contains("Resume-Migration", rig.Outgoing.Cancel(wait: true).Reason, StringComparison.Ordinal);
        rig.Outgoing.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        rig.Outgoing.Recover("tcp:127.0.0.1:2");
        rig.FinishWell();
        Assert.Equal("tcp:127.0.0.1:2", rig.Outgoing.GetState().Destination);
    }

    [Fact]
    public void Another_receiver_at_the_address_is_refused_and_the_right_one_may_come_back()
    {
        using var rig = new SourceRig();
        rig.Parameters = rig.Parameters with { MaxPostcopyBandwidth = 1 };
        rig.Fake.CutAt(PostcopyStep.Pages);
        rig.Start();
        rig.Await(MigrationStatus.PostcopyPaused);
        var right = rig.Fake.Instance;
        rig.Fake.Instance = Guid.NewGuid();
        foreach (var address in new[] { "tcp:127.0.0.1:1", null })
        {
            var error = Failing.With(MigrationErrorId.DestinationRefused, () => rig.Outgoing.Recover(address));
            Assert.Equal((MigrationSide.Destination, GuestLocation.Destination), (error.Side, error.Location));
            Assert.Equal((MigrationStatus.PostcopyPaused, GuestState.FinishMigrate), (rig.Outgoing.Status, rig.Guest.State));
            Assert.Null(rig.Outgoing.Result);
        }
        rig.Fake.Instance = right;
        rig.Outgoing.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        rig.Outgoing.Recover(null);
        rig.FinishWell();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_destination_that_gave_up_meanwhile_says_so_to_the_recovery(bool hasLastWord)
    {
        using var rig = new SourceRig();
        rig.Fake.CutAt(PostcopyStep.Pages).At(PostcopyStep.Join, link =>
        {
            link.Answer(PostcopyStep.Join);
            link.Say(ReturnPathMessage.Failure(MigrationErrorId.ConnectionLost, "nobody came back"));
            if (hasLastWord) link.Say(ReturnPathMessage.Shut(1));
            link.WaitForEnd();
        }, link: 1);
        rig.Start();
        rig.Await(MigrationStatus.PostcopyPaused);
        Assert.Contains("nobody came back", Failing.With(MigrationErrorId.GuestLost, () => rig.Outgoing.Recover(null)).Message, StringComparison.Ordinal);
        rig.AssertLost();
    }

    static void SayBitmap(FakeLink link, string manner)
    {
        var received = link.Block!.ReceivedBitmap();
        if (manner == "size") ReturnPathMessage.SendBitmap(link.Back, "ram", received.AsSpan(1));
        if (manner == "block") ReturnPathMessage.SendBitmap(link.Back, "rom", received);
        if (manner is "huge" or "end")
        {
            link.Back.UInt16((ushort)ReturnPathType.ReceiveBitmap);
            link.Back.UInt16(4);
            link.Back.Name("ram");
            link.Back.UInt64(manner == "huge" ? ulong.MaxValue - 7 : (ulong)received.Length * 8);
            foreach (var word in received) link.Back.UInt64(word);
            link.Back.UInt64(0);
            link.Back.Flush();
        }
        link.WaitForEnd();
    }
}
