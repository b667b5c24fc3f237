using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.EarlyEnds;

/// <summary>The link breaks at a known moment: before RUN the guest stays, after it the ends have to meet again.</summary>
public sealed class LostLinkTests
{
    [Theory]
    [InlineData(MigrationPhase.Header)]
    [InlineData(MigrationPhase.Ping)]
    [InlineData(MigrationPhase.Setup)]
    [InlineData(MigrationPhase.Iterate)]
    [InlineData(MigrationPhase.StopGuest)]
    [InlineData(MigrationPhase.CompleteRam)]
    [InlineData(MigrationPhase.SaveDevices)]
    public void Before_READY_the_guest_runs_on_here(MigrationPhase where)
    {
        using var rig = new Rig();
        rig.PhaseEntered = phase =>
        {
            if (phase == where) rig.DestinationEnd!.Abort();
        };
        AssertStayed(rig);
        Assert.True(rig.Outgoing!.Result!.Error!.Phase >= where || rig.Outgoing.Result.Error.Phase == MigrationPhase.Completion);
    }

    [Fact]
    public void With_READY_on_its_way_the_guest_runs_on_here()
    {
        using var rig = new Rig();
        rig.DestinationTap = (link, leaving) =>
        {
            if (leaving.TypeOf() == ReturnPathType.Ready) link.Abort();
        };
        AssertStayed(rig);
        Assert.Equal(MigrationPhase.Completion, rig.Outgoing!.Result!.Error!.Phase);
        Assert.Equal(1, rig.Connections);
    }

    [Fact]
    public void With_RUN_on_its_way_the_ends_meet_and_the_guest_runs_on_here()
    {
        using var rig = new Rig();
        CutRun(rig);
        AssertStayed(rig);
        Assert.Equal(2, rig.Connections);
        Assert.Contains(rig.Outgoing!.GetState().Decisions, decision => decision is { What: "Handover", To: "Discarded" });
    }

    [Fact]
    public void With_RUNNING_on_its_way_the_ends_meet_and_the_guest_is_there()
    {
        using var rig = new Rig();
        CutRunning(rig);
        var result = rig.Finish();
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (result.State, result.Location));
        Assert.True(result.Verified);
        Assert.Contains(rig.Outgoing!.GetState().Decisions, decision => decision is { What: "Handover", To: "RunsThere" });
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void After_RUN_and_with_nobody_to_ask_the_guest_is_in_doubt()
    {
        using var rig = new Rig { IsGoneAfterwards = true };
        CutRunning(rig);
        AssertInDoubt(rig);
        // It does run there: nothing here may start it, and no migration may take it.
        Assert.Equal(GuestState.Running, rig.Arrived!.State);
        Assert.Equal(MigrationErrorId.GuestInDoubt, Assert.Throws<MigrationException>(() => rig.Guest.Resume()).Id);
        Assert.Equal(MigrationErrorId.GuestInDoubt, Assert.Throws<MigrationException>(() => rig.Start()).Id);
        Assert.Equal(GuestState.InDoubt, rig.Guest.State);
        rig.IsGoneAfterwards = false;
        var error = Assert.Throws<MigrationException>(() => rig.Guest.Resume());
        Assert.Equal((MigrationErrorId.GuestRunsElsewhere, GuestLocation.Destination), (error.Id, error.Location!.Value));
        Assert.Equal(GuestState.PostMigrate, rig.Guest.State);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void In_doubt_and_given_up_there_it_runs_on_here_when_resumed()
    {
        using var rig = new Rig { IsGoneAfterwards = true };
        CutRun(rig);
        AssertInDoubt(rig);
        Assert.Null(rig.Arrived);
        rig.IsGoneAfterwards = false;
        rig.Guest.Resume();
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void In_doubt_and_suspended_before_it_runs_only_when_resumed()
    {
        using var rig = new Rig { IsGoneAfterwards = true };
        rig.Guest.Suspend();
        CutRun(rig);
        AssertInDoubt(rig);
        rig.IsGoneAfterwards = false;
        Assert.Equal(SettleOutcome.Discarded, rig.Guest.Settle());
        Assert.Equal(GuestState.Suspended, rig.Guest.State);
        rig.Guest.Resume();
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void In_doubt_the_user_may_decide_by_force()
    {
        using var rig = new Rig { IsGoneAfterwards = true };
        CutRun(rig);
        AssertInDoubt(rig);
        rig.Guest.Resume(force: true);
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void A_question_before_RUN_closes_the_handover_so_that_a_late_RUN_starts_nothing()
    {
        using var rig = new Rig { IsGoneAfterwards = true };
        // RUN waits in the network, and the source asks over another connection meanwhile.
        rig.SourceTap = (_, leaving) =>
        {
            if (leaving.IsRun()) Destination.HandoverLedger.Ask(Uuid(rig));
        };
        var result = rig.Finish();
        Assert.Equal(MigrationStatus.Failed, result.State);
        Assert.Null(rig.Arrived);
        Assert.Equal(MigrationStatus.Failed, rig.Arrival!.Status);
        Assert.Equal(GuestLocation.Source, result.Location);
        rig.AssertRunsOnlyHere();
    }

    static Guid Uuid(Rig rig) => (Guid)typeof(Source.OutgoingMigration)
        .GetField("_uuid", System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.Instance)!.GetValue(rig.Outgoing)!;

    static void CutRun(Rig rig) => rig.SourceTap = (link, leaving) =>
    {
        if (leaving.IsRun()) link.Abort();
    };

    static void CutRunning(Rig rig) => rig.DestinationTap = (link, leaving) =>
    {
        if (leaving.TypeOf() == ReturnPathType.Running) link.Abort();
    };

    static void AssertStayed(Rig rig)
    {
        var result = rig.Finish();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal((MigrationErrorId.ConnectionLost, MigrationSide.Link), (result.Error!.Id, result.Error.Side));
        Assert.Equal(GuestLocation.Source, result.Error.Location);
        Assert.True(result.Error.IsRetryable);
        Assert.Equal(MigrationStatus.Failed, rig.Arrival!.Status);
        rig.AssertRunsOnlyHere();
    }

    static void AssertInDoubt(Rig rig)
    {
        var result = rig.Finish();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.InDoubt), (result.State, result.Location));
        Assert.Equal((MigrationErrorId.HandoverInDoubt, MigrationSide.Link), (result.Error!.Id, result.Error.Side));
        Assert.Equal((MigrationPhase.Completion, GuestLocation.InDoubt), (result.Error.Phase!.Value, result.Error.Location!.Value));
        Assert.False(result.Error.IsRetryable);
        Assert.Equal(GuestState.InDoubt, rig.Guest.State);
        Reference.AssertIntact(rig.Options, rig.Guest);
    }
}
