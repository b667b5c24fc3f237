using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>One end is killed: the other one says what is true, and keeps or drops the guest accordingly.</summary>
public sealed class KilledProcessTests
{
    [Theory]
    [InlineData(MigrationPhase.Header, 0)]
    [InlineData(MigrationPhase.Ping, 0)]
    [InlineData(MigrationPhase.Setup, 0)]
    [InlineData(MigrationPhase.SetState, 0)]
    [InlineData(MigrationPhase.Pending, 1)]
    [InlineData(MigrationPhase.Iterate, 1)]
    [InlineData(MigrationPhase.Iterate, 2)]
    [InlineData(MigrationPhase.DetectError, 1)]
    [InlineData(MigrationPhase.UpdateCounters, 1)]
    [InlineData(MigrationPhase.Completion, 1)]
    [InlineData(MigrationPhase.StopGuest, 1)]
    [InlineData(MigrationPhase.CompletePrecopy, 1)]
    [InlineData(MigrationPhase.SyncCpus, 1)]
    [InlineData(MigrationPhase.CompleteRam, 1)]
    [InlineData(MigrationPhase.SaveDevices, 1)]
    public void A_receiver_killed_before_READY_leaves_the_guest_running_here(MigrationPhase phase, int pass)
    {
        using var rig = new ProcessRig();
        // Slow enough for a later pass.
        rig.Parameters = rig.Parameters with { MaxBandwidth = pass > 1 ? 8 * TestGuests.MiB : 0, MaxDowntime = TimeSpan.FromMilliseconds(1) };
        rig.PhaseEntered = entered =>
        {
            if (entered == phase && rig.Outgoing!.GetState().Current.Iteration >= pass) rig.Receiver.Kill();
        };
        var result = rig.Finish();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal((MigrationErrorId.ConnectionLost, MigrationSide.Link, true), (result.Error!.Id, result.Error.Side, result.Error.IsRetryable));
        // The two that end a round are followed by the next round.
        var earliest = phase is MigrationPhase.DetectError or MigrationPhase.UpdateCounters ? MigrationPhase.Iteration : phase;
        Assert.True(result.Error.Phase >= earliest || result.Error.Phase == MigrationPhase.Completion, $"{result.Error.Phase}");
        rig.AssertRunsHere();
    }

    [Fact]
    public void A_receiver_killed_with_RUN_on_its_way_leaves_it_in_doubt_and_the_user_decides()
    {
        using var rig = new ProcessRig();
        rig.RunLeaves = rig.Receiver.Kill;
        AssertInDoubt(rig);
        // Nothing is left of the other process, and the user says so.
        rig.Guest.Resume(force: true);
        rig.AssertRunsHere();
    }

    [Fact]
    public void A_receiver_killed_before_RUNNING_leaves_it_in_doubt_and_one_that_is_started_anew_knows_nothing()
    {
        using var rig = new ProcessRig();
        rig.RunLeaves = rig.Proxy.HoldBack;
        rig.Start();
        Assert.Equal(" 1", rig.Receiver.WaitForLine("Completed "));
        rig.Receiver.Kill();
        rig.Proxy.Cut();
        AssertInDoubt(rig);
        using var anew = OtherProcess.Receiver(rig.Receiver.Uri.Port);
        Assert.Equal(SettleOutcome.Unknown, rig.Guest.Settle());
        Assert.Equal(GuestState.InDoubt, rig.Guest.State);
    }

    [Theory]
    [InlineData(MigrationPhase.Connect)]
    [InlineData(MigrationPhase.Header)]
    [InlineData(MigrationPhase.Ping)]
    [InlineData(MigrationPhase.Setup)]
    [InlineData(MigrationPhase.SetState)]
    [InlineData(MigrationPhase.Pending)]
    [InlineData(MigrationPhase.Iterate)]
    [InlineData(MigrationPhase.DetectError)]
    [InlineData(MigrationPhase.UpdateCounters)]
    [InlineData(MigrationPhase.Completion)]
    [InlineData(MigrationPhase.StopGuest)]
    [InlineData(MigrationPhase.CompletePrecopy)]
    [InlineData(MigrationPhase.SyncCpus)]
    [InlineData(MigrationPhase.CompleteRam)]
    [InlineData(MigrationPhase.SaveDevices)]
    public void A_source_killed_before_READY_leaves_nothing_here(MigrationPhase phase)
    {
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there") });
        using (var source = OtherProcess.SourceIn(phase, receiver.Uri)) source.Kill();
        Patience.Until(() => receiver.ActiveCount == 0, "the receiver to be through");
        Assert.Empty(TestGuests.On(receiver.HostName));
        foreach (var arrival in receiver.Arrivals)
            Assert.Contains(arrival.Error!.Id, new[] { MigrationErrorId.ConnectionLost, MigrationErrorId.UnexpectedEnd });
        // And it serves the next.
        using var rig = new FaultRig(receiver: receiver);
        Assert.Equal(GuestLocation.Destination, rig.Migrate().Location);
    }

    [Fact]
    public void A_source_killed_after_RUN_has_left_lets_the_guest_run_here()
    {
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = TestGuests.UniqueName("there") });
        using (var source = OtherProcess.SourceIn(MigrationPhase.Finish, receiver.Uri)) source.Kill();
        Patience.Until(() => receiver.ArrivedCount == 1, "the guest");
        var guest = Assert.Single(TestGuests.On(receiver.HostName));
        Assert.Equal(GuestState.Running, guest.State);
        TestGuests.WaitForTick(guest, guest.Ticks.Max() + 10);
        TestGuests.RemoveAll(receiver.HostName);
    }

    static void AssertInDoubt(ProcessRig rig)
    {
        var result = rig.Finish();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.InDoubt), (result.State, result.Location));
        Assert.Equal((MigrationErrorId.HandoverInDoubt, MigrationSide.Link), (result.Error!.Id, result.Error.Side));
        Assert.Equal(GuestState.InDoubt, rig.Guest.State);
        Failing.With(MigrationErrorId.GuestInDoubt, () => rig.Guest.Resume());
    }
}
