using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>
/// The link breaks at places all over migrations with channels, with TLS, and with differences of pages: the guest is in one place each time.
/// The places are a spread of all boundaries, for these migrations take longer; lengths differ a little from one to the next.
/// </summary>
public sealed class OtherSweepTests
{
    [Theory]
    [InlineData(LinkFaultKind.Reset, 1)]
    [InlineData(LinkFaultKind.Reset, 2)]
    [InlineData(LinkFaultKind.Reset, 3)]
    [InlineData(LinkFaultKind.Cut, 1)]
    [InlineData(LinkFaultKind.Cut, 2)]
    [InlineData(LinkFaultKind.Cut, 3)]
    public void With_two_channels(LinkFaultKind kind, int connection)
    {
        using var rig = new FaultRig { Struck = connection };
        rig.Parameters = rig.Parameters with { Channels = 2, Peer = PeerKind.PsMigrate };
        var sweep = new LinkSweep(rig, most: 50).Forward(kind, connection == 1 ? RecordBoundaries.Forward : RecordBoundaries.Channel);
        Assert.Equal(GuestLocation.Source, sweep.Locations[0]);
        Assert.True(sweep.Count > 10 && sweep.Stayed > sweep.Count / 2, string.Join(", ", sweep.Locations));
    }

    [Theory]
    [InlineData(LinkFaultKind.Reset)]
    [InlineData(LinkFaultKind.Cut)]
    public void Over_TLS(LinkFaultKind kind)
    {
        using var rig = new FaultRig(isTls: true);
        var forward = new LinkSweep(rig, most: 50).Forward(kind, RecordBoundaries.Tls);
        Assert.Equal(GuestLocation.Source, forward.Locations[0]);
        Assert.True(forward.Stayed > forward.Count / 2, string.Join(", ", forward.Locations));
        var back = new LinkSweep(rig, most: 40).Back(kind, RecordBoundaries.Tls);
        Assert.Equal(GuestLocation.Source, back.Locations[0]);
        Assert.Contains(GuestLocation.Destination, back.Locations);
    }

    [Theory]
    [InlineData(LinkFaultKind.Reset)]
    [InlineData(LinkFaultKind.Cut)]
    [InlineData(LinkFaultKind.HalfClose)]
    public void With_differences_of_pages(LinkFaultKind kind)
    {
        var steps = 0;
        using var rig = new FaultRig { PhaseEntered = (phase, migration) => Step(phase, migration, ref steps) };
        rig.Parameters = rig.Parameters with { Xbzrle = true, Means = MigrationMeans.Qemu, SwitchoverBandwidth = 1 };
        var sweep = new LinkSweep(rig, most: 60).Forward(kind);
        Assert.Equal(GuestLocation.Source, sweep.Locations[0]);
        Assert.True(sweep.Stayed > sweep.Count / 2, string.Join(", ", sweep.Locations));
        rig.Migrate();
        Assert.True(rig.LastPass.XbzrlePages > 0, "No differences were sent.");
    }

    /// <summary>Some ticks more before each of the next passes: pages that go twice in these were kept. Then it goes over.</summary>
    static void Step(MigrationPhase phase, Migration migration, ref int steps)
    {
        if (phase == MigrationPhase.Connect) steps = 0;
        if (phase != MigrationPhase.UpdateCounters) return;
        if (++steps > 3)
        {
            migration.Complete();
            return;
        }
        var guest = (MemoryGuest)migration.Guest;
        var tick = guest.Ticks.Max() + 10;
        guest.StopAtTick(tick);
        TestGuests.WaitForTick(guest, tick);
    }
}
