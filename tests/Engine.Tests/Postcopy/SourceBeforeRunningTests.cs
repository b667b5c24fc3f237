using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Postcopy;

/// <summary>A link that is cut, or a destination that misbehaves, before the guest runs there: it is in one place, and goes on.</summary>
public sealed class SourceBeforeRunningTests
{
    static readonly PostcopyStep[] BeforeRun =
    [
        PostcopyStep.Announcement, PostcopyStep.Advise, PostcopyStep.RamStart, PostcopyStep.SwitchoverStart, PostcopyStep.Discard, PostcopyStep.SwitchPing,
        PostcopyStep.PackageBegins, PostcopyStep.Package,
    ];

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
                rig.AssertLost();
                break;
        }
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
}
