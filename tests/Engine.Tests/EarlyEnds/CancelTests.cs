using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.EarlyEnds;

/// <summary>A cancel in each phase: up to RUN it gives the guest back, afterwards it is too late and says so.</summary>
public sealed class CancelTests
{
    public static TheoryData<MigrationPhase> BeforeRun => [.. Enum.GetValues<MigrationPhase>().Where(phase => phase != MigrationPhase.Finish)];

    [Theory]
    [MemberData(nameof(BeforeRun))]
    public void In_any_phase_before_RUN_it_gives_the_guest_back(MigrationPhase where)
    {
        using var rig = new Rig();
        var (cancelled, once) = (Task.FromResult<CancelAnswer>(null!), 0);
        rig.PhaseEntered = phase =>
        {
            if (phase != where || Interlocked.Exchange(ref once, 1) != 0) return;
            cancelled = Task.Run(() => rig.Outgoing!.Cancel(wait: true));
            Patience.Until(() => rig.Outgoing!.Status == MigrationStatus.Cancelling, "the cancel to be accepted");
        };
        var result = rig.Finish();
        var answer = Patience.Within(() => cancelled.Result, "the answer");
        Assert.Equal((CancelOutcome.Cancelled, MigrationStatus.Cancelled, GuestLocation.Source), (answer.Outcome, answer.State, answer.Location));
        Assert.Equal((MigrationStatus.Cancelled, GuestLocation.Source), (result.State, result.Location));
        Assert.Null(result.Error);
        Assert.True(rig.Arrival is null || rig.Arrival.Status == MigrationStatus.Failed);
        rig.AssertRunsOnlyHere();
        Assert.Equal(CancelOutcome.AlreadyEnded, rig.Outgoing!.Cancel(wait: true).Outcome);
    }

    [Fact]
    public void While_the_destination_says_READY_it_still_gives_the_guest_back()
    {
        using var rig = new Rig();
        rig.DestinationTap = (_, leaving) =>
        {
            if (leaving.TypeOf() == ReturnPathType.Ready) rig.Outgoing!.Cancel(wait: false);
        };
        Assert.Equal(MigrationStatus.Cancelled, rig.Finish().State);
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void After_RUN_it_is_too_late_and_the_answer_waits_for_where_the_guest_is()
    {
        using var rig = new Rig();
        CancelAnswer? atOnce = null;
        var waiting = Task.FromResult<CancelAnswer>(null!);
        rig.SourceTap = (_, leaving) =>
        {
            if (!leaving.IsRun()) return;
            atOnce = rig.Outgoing!.Cancel(wait: false);
            waiting = Task.Run(() => rig.Outgoing!.Cancel(wait: true));
        };
        Assert.Equal(MigrationStatus.Completed, rig.Finish().State);
        Assert.Equal(CancelOutcome.TooLate, atOnce!.Outcome);
        Assert.NotEqual("", atOnce.Reason);
        var answer = Patience.Within(() => waiting.Result, "the answer");
        Assert.Contains(answer.Outcome, new[] { CancelOutcome.TooLate, CancelOutcome.AlreadyEnded });
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (answer.State, answer.Location));
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void In_the_last_phase_the_migration_has_ended_and_the_guest_is_there()
    {
        using var rig = new Rig();
        CancelAnswer? answer = null;
        rig.PhaseEntered = phase => answer = phase == MigrationPhase.Finish ? rig.Outgoing!.Cancel(wait: false) : answer;
        Assert.Equal(MigrationStatus.Completed, rig.Finish().State);
        Assert.Equal((CancelOutcome.AlreadyEnded, MigrationStatus.Completed, GuestLocation.Destination), (answer!.Outcome, answer.State, answer.Location));
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Ten_cancels_at_once_all_get_an_answer()
    {
        using var rig = new Rig();
        var answers = new List<Task<CancelAnswer>>();
        rig.PhaseEntered = phase =>
        {
            if (phase != MigrationPhase.StopGuest) return;
            answers.AddRange(Enumerable.Range(0, 10).Select(_ => Task.Factory.StartNew(
                () => rig.Outgoing!.Cancel(wait: true), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
            Patience.Until(() => rig.Outgoing!.Status == MigrationStatus.Cancelling, "the cancel to be accepted");
        };
        Assert.Equal(MigrationStatus.Cancelled, rig.Finish().State);
        Assert.All(answers, answer => Assert.Contains(
            Patience.Within(() => answer.Result, "an answer").Outcome, new[] { CancelOutcome.Cancelled, CancelOutcome.AlreadyEnded }));
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void A_guest_that_was_cancelled_can_migrate_again()
    {
        using var rig = new Rig();
        rig.PhaseEntered = phase =>
        {
            if (phase == MigrationPhase.CompleteRam) rig.Outgoing!.Cancel(wait: false);
        };
        Assert.Equal(MigrationStatus.Cancelled, rig.Finish().State);
        rig.PhaseEntered = null;
        rig.Start();
        Assert.True(rig.Finish().Verified);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void A_suspended_guest_stays_suspended()
    {
        using var rig = new Rig();
        rig.Guest.Suspend();
        rig.PhaseEntered = phase =>
        {
            if (phase == MigrationPhase.SaveDevices) rig.Outgoing!.Cancel(wait: false);
        };
        Assert.Equal(MigrationStatus.Cancelled, rig.Finish().State);
        Assert.Equal(GuestState.Suspended, rig.Guest.State);
        Reference.AssertIntact(rig.Options, rig.Guest);
    }
}
