using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>A real network whose cable is pulled while the guest runs at its destination, or just goes over: nothing tells either end.</summary>
public sealed class PulledCableInPostcopyTests
{
    // A machine that is busy otherwise may say nothing for longer than a cable that is in.
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(8);

    [NetworkFact]
    public void Out_for_a_second_it_goes_on()
    {
        using var net = new NetworkRig(Patience.Limit, inPostcopy: true);
        net.StartFollowing();
        net.Network.IsUp = false;
        Thread.Sleep(1000);
        net.Network.IsUp = true;
        net.FinishFollowing();
        Assert.Equal(1, net.Rig.Connections);
    }

    [NetworkFact]
    public void Out_for_longer_than_both_ends_wait_it_is_paused_and_goes_on_when_the_cable_is_back()
    {
        using var net = new NetworkRig(Limit, connect: TimeSpan.FromSeconds(1), inPostcopy: true);
        net.StartFollowing();
        net.Network.IsUp = false;
        net.AwaitPause();
        Assert.Equal((GuestLocation.Destination, GuestState.Running), (net.Rig.Outgoing!.GetState().Location, net.Rig.Arrived!.State));
        Assert.Equal(MigrationSide.Link, Assert.Throws<MigrationException>(() => net.Rig.Outgoing.Recover(null)).Side);
        Assert.Equal(MigrationStatus.PostcopyPaused, net.Rig.Outgoing.Status);
        net.Network.IsUp = true;
        Assert.Null(net.Recover());
        net.FinishFollowing();
    }

    [NetworkFact]
    public void Out_for_ever_it_is_lost_and_both_ends_say_so()
    {
        using var net = new NetworkRig(Limit, connect: TimeSpan.FromSeconds(1), inPostcopy: true);
        net.Rig.Policy = net.Rig.Policy with { RecoverTimeout = TimeSpan.FromSeconds(1) };
        net.StartFollowing();
        net.Network.IsUp = false;
        Patience.Until(() => net.Rig.Arrival!.Status == MigrationStatus.Failed, "the destination to give up");
        var there = net.Rig.Arrival!.Error!;
        Assert.Equal((MigrationErrorId.GuestLost, GuestLocation.Lost), (there.Id, there.Location!.Value));
        Patience.Until(() => net.Rig.Outgoing!.Status == MigrationStatus.PostcopyPaused, "the pause at the source");
        net.Rig.Outgoing!.GiveUp();
        var result = net.Rig.Finish();
        Assert.Equal((MigrationErrorId.GuestLost, GuestLocation.Lost), (result.Error!.Id, result.Location));
        Assert.NotNull(result.Error.Phase);
        Assert.Equal((GuestState.Lost, GuestState.Lost), (net.Rig.Guest.State, net.Rig.Arrived!.State));
        Failing.With(MigrationErrorId.GuestLost, () => net.Rig.Guest.Resume());
    }

    [NetworkFact]
    public void Out_with_RUN_on_its_way_it_is_in_doubt_until_the_cable_is_back()
    {
        using var net = new NetworkRig(Limit, connect: TimeSpan.FromSeconds(1), inPostcopy: true);
        net.Rig.SourceTap = (_, leaving) =>
        {
            if (leaving.IsRun()) net.Network.IsUp = false;
        };
        AwaitDoubt(net);
        // RUN may have come late, or the question before it: in either case there is one guest.
        if (net.Recover() is null)
        {
            net.FinishFollowing();
            return;
        }
        var result = net.Rig.Finish();
        Assert.Equal((GuestLocation.Source, MigrationErrorId.DestinationFailed), (result.Location, result.Error!.Id));
        net.Rig.AssertRunsOnlyHere();
    }

    [NetworkFact]
    public void Out_with_RUNNING_on_its_way_it_is_in_doubt_and_runs_there()
    {
        using var net = new NetworkRig(Limit, connect: TimeSpan.FromSeconds(1), inPostcopy: true);
        net.Rig.DestinationTap = (_, leaving) =>
        {
            if (leaving.TypeOf() == ReturnPathType.Running) net.Network.IsUp = false;
        };
        AwaitDoubt(net);
        Assert.Null(net.Recover());
        net.FinishFollowing();
    }

    [NetworkFact]
    public void A_narrow_link_takes_longer()
    {
        using var net = new NetworkRig(Patience.Limit, inPostcopy: true);
        net.Network.LimitRate("64mbit");
        net.StartFollowing();
        net.FinishFollowing();
        Assert.Equal(1, net.Rig.Connections);
    }

    /// <summary>It stands here, and may run there; then the cable is back.</summary>
    static void AwaitDoubt(NetworkRig net)
    {
        net.Rig.Start();
        Patience.Until(() => net.Rig.Outgoing!.Status == MigrationStatus.PostcopyPaused, "the pause");
        Assert.Equal(GuestLocation.InDoubt, net.Rig.Outgoing!.GetState().Location);
        Assert.NotEqual(GuestState.Running, net.Rig.Guest.State);
        Assert.Equal(CancelOutcome.TooLate, net.Rig.Outgoing.Cancel(wait: true).Outcome);
        net.Network.IsUp = true;
    }
}

/// <summary>By itself, so that it waits beside others.</summary>
public sealed class LongPulledCableInPostcopyTests
{
    [NetworkFact]
    public void Out_for_half_a_minute_and_with_a_limit_above_that_it_goes_on()
    {
        using var net = new NetworkRig(TimeSpan.FromMinutes(3), inPostcopy: true);
        net.StartFollowing();
        net.Network.IsUp = false;
        Thread.Sleep(30_000);
        net.Network.IsUp = true;
        net.FinishFollowing();
        Assert.Equal(1, net.Rig.Connections);
    }
}
