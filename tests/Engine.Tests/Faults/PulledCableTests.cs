using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>A real network whose cable is pulled: nothing tells either end.</summary>
public sealed class PulledCableTests
{
    // A machine that is busy otherwise may say nothing for longer than a cable that is in.
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(8);

    [NetworkFact]
    public void Out_for_a_second_it_goes_on()
    {
        using var net = new NetworkRig(Patience.Limit);
        net.StartFirstPass();
        net.Network.IsUp = false;
        Thread.Sleep(1000);
        net.Network.IsUp = true;
        net.LetEnd();
        Assert.True(net.Rig.Finish().Verified);
        net.Rig.AssertRunsOnlyThere();
    }

    [NetworkFact]
    public void Out_for_ever_both_ends_give_up_when_their_time_is_over()
    {
        using var net = new NetworkRig(Limit);
        net.StartFirstPass();
        net.Network.IsUp = false;
        var result = net.Rig.Finish();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal((MigrationErrorId.PeerSilent, MigrationSide.Link), (result.Error!.Id, result.Error.Side));
        Assert.Equal(MigrationPhase.Iterate, result.Error.Phase);
        Assert.True(result.Error.IsRetryable);
        Assert.Equal((MigrationErrorId.PeerSilent, MigrationSide.Source), (net.Rig.Arrival!.Error!.Id, net.Rig.Arrival.Error.Side));
        net.Rig.AssertRunsOnlyHere();
    }

    [NetworkFact]
    public void Out_before_it_starts_nothing_has_happened()
    {
        using var net = new NetworkRig(Limit);
        net.Network.IsUp = false;
        var result = net.Rig.Finish();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.Contains(result.Error!.Id, new[] { MigrationErrorId.ConnectTimeout, MigrationErrorId.HostUnreachable });
        Assert.Equal((MigrationPhase.Connect, true), (result.Error.Phase!.Value, result.Error.IsRetryable));
        net.Rig.AssertRunsOnlyHere();
    }

    [NetworkFact]
    public void Out_with_READY_on_its_way_the_guest_runs_on_here()
    {
        using var net = new NetworkRig(Limit);
        net.Rig.DestinationTap = (_, leaving) =>
        {
            if (leaving.TypeOf() == ReturnPathType.Ready) net.Network.IsUp = false;
        };
        var result = net.Rig.Finish();
        Assert.Equal((GuestLocation.Source, MigrationErrorId.PeerSilent), (result.Location, result.Error!.Id));
        net.Network.IsUp = true;
        net.Rig.AssertRunsOnlyHere();
    }

    [NetworkFact]
    public void Out_with_RUN_on_its_way_it_is_in_doubt_until_the_cable_is_back()
    {
        using var net = new NetworkRig(Limit, connect: TimeSpan.FromSeconds(1));
        net.Rig.SourceTap = (_, leaving) =>
        {
            if (leaving.IsRun()) net.Network.IsUp = false;
        };
        Settle(net);
        // RUN may have come late, or the question before it: in either case there is one guest.
        if (net.Rig.Arrived is null) net.Rig.AssertRunsOnlyHere();
        else net.Rig.AssertRunsOnlyThere();
    }

    [NetworkFact]
    public void Out_with_RUNNING_on_its_way_it_is_in_doubt_and_runs_there()
    {
        using var net = new NetworkRig(Limit, connect: TimeSpan.FromSeconds(1));
        net.Rig.DestinationTap = (_, leaving) =>
        {
            if (leaving.TypeOf() == ReturnPathType.Running) net.Network.IsUp = false;
        };
        Settle(net);
        net.Rig.AssertRunsOnlyThere();
    }

    [NetworkFact]
    public void A_narrow_link_takes_longer()
    {
        using var net = new NetworkRig(Patience.Limit);
        net.Network.LimitRate("64mbit");
        net.Rig.Parameters = net.Rig.Parameters with { MaxBandwidth = 0 };
        var result = net.Rig.Finish();
        Assert.True(result.Verified, $"{result}");
        net.Rig.AssertRunsOnlyThere();
    }

    static void Settle(NetworkRig net)
    {
        var result = net.Rig.Finish();
        Assert.Equal((MigrationStatus.Failed, GuestLocation.InDoubt), (result.State, result.Location));
        Assert.Equal((MigrationErrorId.HandoverInDoubt, MigrationSide.Link), (result.Error!.Id, result.Error.Side));
        Assert.Equal(GuestState.InDoubt, net.Rig.Guest.State);
        Assert.Equal(MigrationErrorId.GuestInDoubt, Failing.With(MigrationErrorId.GuestInDoubt, () => net.Rig.Guest.Resume()).Id);
        net.Network.IsUp = true;
        Patience.Until(() => net.Rig.Guest.Settle() != SettleOutcome.Unknown, "the ends to meet again");
    }
}
