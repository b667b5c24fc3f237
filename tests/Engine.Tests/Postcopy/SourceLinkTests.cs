using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Postcopy;

/// <summary>A link that is cut, or a destination that misbehaves, at each step of a postcopy: the guest is in one place, and goes on.</summary>
public sealed class SourceLinkTests
{
    static readonly PostcopyStep[] BeforeRun =
    [
        PostcopyStep.Announcement, PostcopyStep.Advise, PostcopyStep.RamStart, PostcopyStep.SwitchoverStart, PostcopyStep.Discard, PostcopyStep.SwitchPing,
        PostcopyStep.PackageBegins, PostcopyStep.Package,
    ];

    static readonly PostcopyStep[] AfterRunning = [PostcopyStep.Pages, PostcopyStep.RamEnd, PostcopyStep.Eof];

    public static TheoryData<string, string> EarlyFailures
    {
        get
        {
            var failures = new TheoryData<string, string>();
            foreach (var step in BeforeRun)
                foreach (var manner in new[] { "cut", "refuse", "shut", "nonsense" }) failures.Add(step.ToString(), manner);
            return failures;
        }
    }

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

    public static TheoryData<string> Nonsense => ["page 1024", "offset", "length", "zero length", "block", "no block", "bitmap", "unknown", "early shut", "ack"];

    [Theory]
    [MemberData(nameof(EarlyFailures))]
    public void Before_RUN_the_guest_runs_on_here(string stepName, string manner)
    {
        var step = Enum.Parse<PostcopyStep>(stepName);
        using var rig = new SourceRig();
        rig.Fake.At(step, link => Misbehave(link, manner));
        var result = rig.Finish();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal(Expected(manner), result.Error!.Id);
        rig.AssertRunsHere();
    }

    [Fact]
    public void A_request_before_there_is_a_postcopy_is_harmless()
    {
        using var rig = new SourceRig();
        // One that goes over by itself may have begun to when the request comes, and then looks at it.
        rig.Parameters = rig.Parameters with { Mode = MigrationMode.Precopy, MaxBandwidth = 1 << 20, MaxDowntime = TimeSpan.FromMilliseconds(1) };
        rig.Fake.At(PostcopyStep.RamStart, link =>
        {
            link.Say(ReturnPathMessage.RequestPages("nowhere", 1, 2), ReturnPathMessage.Shut(1));
            link.WaitForEnd();
        });
        var result = rig.Finish();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source, MigrationErrorId.DestinationFailed), (result.State, result.Location, result.Error!.Id));
        rig.AssertRunsHere();
    }

    [Fact]
    public void Until_RUN_it_can_be_cancelled()
    {
        using var rig = new SourceRig();
        using var reached = new ManualResetEventSlim();
        rig.Fake.At(PostcopyStep.Package, link =>
        {
            reached.Set();
            link.WaitForEnd();
        });
        rig.Start();
        Patience.For(reached, "the package");
        Assert.Equal(CancelOutcome.Cancelled, rig.Outgoing.Cancel(wait: true).Outcome);
        rig.AssertRunsHere();
    }

    [Fact]
    public void Between_RUN_and_RUNNING_the_destination_is_asked_and_has_it()
    {
        using var rig = new SourceRig();
        rig.Fake.At(PostcopyStep.Run, link =>
        {
            rig.Fake.Outcome = HandoverOutcome.Running;
            link.Cut();
        });
        rig.Start();
        rig.Await(MigrationStatus.PostcopyPaused);
        Assert.Equal(GuestLocation.Destination, rig.Outgoing.GetState().Location);
        rig.Outgoing.Recover(null);
        rig.FinishWell();
    }

    [Fact]
    public void Between_RUN_and_RUNNING_the_destination_is_asked_and_gave_it_up()
    {
        using var rig = new SourceRig();
        rig.Fake.CutAt(PostcopyStep.Run);
        var result = rig.Finish();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source, MigrationErrorId.ConnectionLost), (result.State, result.Location, result.Error!.Id));
        rig.AssertRunsHere();
    }

    [Theory]
    [InlineData(HandoverOutcome.Running)]
    [InlineData(HandoverOutcome.Discarded)]
    [InlineData(HandoverOutcome.Unknown)]
    public void A_destination_that_could_not_be_asked_is_asked_with_the_recovery(object answer)
    {
        var outcome = (HandoverOutcome)answer;
        using var rig = new SourceRig();
        rig.Fake.At(PostcopyStep.Run, link =>
        {
            rig.Fake.IsGone = true;
            link.Cut();
        });
        rig.Start();
        rig.Await(MigrationStatus.PostcopyPaused);
        Assert.Equal(GuestLocation.InDoubt, rig.Outgoing.GetState().Location);
        Assert.Equal(MigrationErrorId.ConnectionRefused, Failing.With(MigrationErrorId.ConnectionRefused, () => rig.Outgoing.Recover(null)).Id);
        Assert.Equal((MigrationStatus.PostcopyPaused, GuestLocation.InDoubt), (rig.Outgoing.Status, rig.Outgoing.GetState().Location));
        (rig.Fake.IsGone, rig.Fake.Outcome) = (false, outcome);
        switch (outcome)
        {
            case HandoverOutcome.Running:
                rig.Outgoing.Recover(null);
                rig.FinishWell();
                break;
            case HandoverOutcome.Discarded:
                Assert.Equal(GuestLocation.Source, Failing.With(MigrationErrorId.DestinationFailed, () => rig.Outgoing.Recover(null)).Location);
                Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (rig.Finish().State, rig.Outgoing.Result!.Location));
                rig.AssertRunsHere();
                break;
            default:
                Failing.With(MigrationErrorId.GuestLost, () => rig.Outgoing.Recover(null));
                AssertLost(rig);
                break;
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

    [Theory]
    [MemberData(nameof(Nonsense))]
    public void Nonsense_breaks_the_link_and_not_the_guest(string what)
    {
        using var rig = new SourceRig();
        rig.Fake.At(PostcopyStep.Pages, link => SayNonsense(link, what));
        rig.Parameters = rig.Parameters with { MaxPostcopyBandwidth = 1 };
        rig.Start();
        rig.Await(MigrationStatus.PostcopyPaused);
        Assert.Equal(GuestLocation.Destination, rig.Outgoing.GetState().Location);
        rig.Outgoing.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
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
    public void A_destination_that_gives_up_loses_the_guest()
    {
        using var rig = new SourceRig();
        rig.Fake.At(PostcopyStep.Pages, link =>
        {
            link.Say(ReturnPathMessage.Failure(MigrationErrorId.MemoryExceeded, "no room any more"), ReturnPathMessage.Shut(1));
            link.WaitForEnd();
        });
        var result = rig.Finish();
        Assert.Contains("no room any more", result.Error!.Message, StringComparison.Ordinal);
        AssertLost(rig);
    }

    [Fact]
    public void A_destination_that_gave_up_meanwhile_says_so_to_the_recovery()
    {
        using var rig = new SourceRig();
        rig.Fake.CutAt(PostcopyStep.Pages).At(PostcopyStep.Join, link =>
        {
            link.Answer(PostcopyStep.Join);
            link.Say(ReturnPathMessage.Failure(MigrationErrorId.ConnectionLost, "nobody came back"), ReturnPathMessage.Shut(1));
            link.WaitForEnd();
        }, link: 1);
        rig.Start();
        rig.Await(MigrationStatus.PostcopyPaused);
        Assert.Contains("nobody came back", Failing.With(MigrationErrorId.GuestLost, () => rig.Outgoing.Recover(null)).Message, StringComparison.Ordinal);
        AssertLost(rig);
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
        AssertLost(rig);
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
        AssertLost(rig);
        Assert.DoesNotContain("end it there first", rig.Outgoing.Result!.Error!.Message, StringComparison.Ordinal);
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
            AssertLost(rig);
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
        AssertLost(rig);
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
        AssertLost(rig);
        Assert.Equal(MigrationErrorId.InvalidState, refused!.Id);
    }

    [Fact]
    public void A_destination_that_says_nothing_is_a_broken_link()
    {
        using var rig = new SourceRig();
        rig.Parameters = rig.Parameters with { MaxPostcopyBandwidth = 1, AnswerTimeout = TimeSpan.FromSeconds(1) };
        rig.Fake.At(PostcopyStep.Pages, link => link.WaitForEnd());
        rig.Start();
        rig.Await(MigrationStatus.PostcopyPaused);
        rig.Outgoing.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        rig.Outgoing.Recover(null);
        rig.FinishWell();
    }

    [Fact]
    public void A_QEMU_that_fails_before_the_package_is_loaded_has_never_run_it()
    {
        using var rig = new SourceRig(isQemu: true);
        rig.Fake.At(PostcopyStep.PackageBegins, link =>
        {
            link.Say(ReturnPathMessage.Shut(1));
            link.WaitForEnd();
        });
        var result = rig.Finish();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source, MigrationErrorId.DestinationFailed), (result.State, result.Location, result.Error!.Id));
        rig.AssertRunsHere();
    }

    static void AssertLost(SourceRig rig)
    {
        var result = rig.Finish();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Lost), (result.State, result.Location));
        Assert.Equal((MigrationErrorId.GuestLost, GuestLocation.Lost), (result.Error!.Id, result.Error.Location));
        Assert.Equal(GuestState.Lost, rig.Guest.State);
        Failing.With(MigrationErrorId.GuestLost, () => rig.Guest.Resume());
        // As it was when it stopped here.
        rig.Guest.Resume(force: true);
        TestGuests.WaitForTick(rig.Guest, rig.Guest.Ticks.Max() + 10);
        Reference.AssertIntact(rig.Options, rig.Guest);
    }

    static void Misbehave(FakeLink link, string manner)
    {
        if (manner == "cut") link.Cut();
        if (manner == "refuse") link.Say(ReturnPathMessage.Failure(MigrationErrorId.DestinationRefused, "no room for you"), ReturnPathMessage.Shut(1));
        if (manner == "shut") link.Say(ReturnPathMessage.Shut(1));
        if (manner == "nonsense") link.Say(new ReturnPathMessage((ReturnPathType)0x1234, []));
        link.WaitForEnd();
    }

    static MigrationErrorId Expected(string manner) => manner switch
    {
        "cut" => MigrationErrorId.ConnectionLost,
        "refuse" => MigrationErrorId.DestinationRefused,
        "nonsense" => MigrationErrorId.UnknownRecord,
        _ => MigrationErrorId.DestinationFailed,
    };

    static void SayNonsense(FakeLink link, string what)
    {
        var bytes = (ulong)link.Fake.Memory!.Ram.Length;
        link.Say(what switch
        {
            "page 1024" => ReturnPathMessage.RequestPages("ram", bytes, GuestMemory.PageSize),
            "offset" => ReturnPathMessage.RequestPages("ram", 4095, GuestMemory.PageSize),
            "length" => ReturnPathMessage.RequestPages("ram", bytes - GuestMemory.PageSize, uint.MaxValue & ~4095u),
            "zero length" => ReturnPathMessage.RequestPages("ram", 0, 0),
            "block" => ReturnPathMessage.RequestPages("nowhere", 0, GuestMemory.PageSize),
            "no block" => ReturnPathMessage.RequestPages(null, 0, GuestMemory.PageSize),
            "bitmap" => new ReturnPathMessage(ReturnPathType.ReceiveBitmap, [3, (byte)'r', (byte)'a', (byte)'m']),
            "early shut" => ReturnPathMessage.Shut(0),
            "ack" => new ReturnPathMessage(ReturnPathType.ResumeAck, [1]),
            _ => new ReturnPathMessage((ReturnPathType)0x1234, []),
        });
        link.WaitForEnd();
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
