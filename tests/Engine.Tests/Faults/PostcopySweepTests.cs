using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>
/// The link of a postcopy breaks at every record, in either direction: before RUN the guest stays here, after it the migration is recovered,
/// and the guest is there whole.
/// </summary>
public sealed class PostcopySweepTests
{
    static readonly MigrationParameters Over = new() { Postcopy = true, Mode = MigrationMode.Postcopy, SettleTimeout = TimeSpan.Zero };

    // A page in more than a second, so that nothing is over before the rig lifts it: what is asked for comes all the same.
    const long Held = 1;

    [Theory]
    [InlineData(LinkFaultKind.Reset)]
    [InlineData(LinkFaultKind.Cut)]
    [InlineData(LinkFaultKind.HalfClose)]
    public void Behind_any_byte_that_a_source_sends(LinkFaultKind kind)
    {
        using var rig = new FaultRig { Parameters = Over };
        var sweep = new LinkSweep(rig).Forward(kind);
        Assert.True(sweep.Stayed > 20 && sweep.Recoveries > 4, $"Of {sweep.Count}, {sweep.Stayed} stayed and {sweep.Recoveries} were recovered.");
    }

    [Theory]
    [InlineData(LinkFaultKind.Reset)]
    [InlineData(LinkFaultKind.Cut)]
    [InlineData(LinkFaultKind.HalfClose)]
    public void Behind_any_byte_that_comes_back(LinkFaultKind kind)
    {
        using var rig = new FaultRig { Parameters = Over };
        var sweep = new LinkSweep(rig).Back(kind);
        Assert.Equal(GuestLocation.Source, sweep.Locations[0]);
        Assert.Contains(GuestLocation.Destination, sweep.Locations);
    }

    [Theory]
    [InlineData(LinkFaultKind.Reset)]
    [InlineData(LinkFaultKind.Cut)]
    [InlineData(LinkFaultKind.HalfClose)]
    public void Behind_any_byte_of_a_recovery(LinkFaultKind kind)
    {
        using var rig = new FaultRig { Parameters = Over with { MaxPostcopyBandwidth = Held }, IsPausedOnce = true, Struck = 2 };
        var forward = new LinkSweep(rig, most: 20).Forward(kind);
        var back = new LinkSweep(rig, most: 20).Back(kind);
        foreach (var sweep in new[] { forward, back })
        {
            Assert.All(sweep.Locations, location => Assert.Equal(GuestLocation.Destination, location));
            // One for the link that was broken on purpose, and one more for most recoveries that broke.
            Assert.True(sweep.Recoveries > sweep.Count + (sweep.Count / 2), $"Of {sweep.Count}, {sweep.Recoveries} recoveries.");
        }
    }

    [Theory]
    [InlineData(LinkFaultKind.Reset, 1)]
    [InlineData(LinkFaultKind.Reset, 2)]
    [InlineData(LinkFaultKind.Cut, 1)]
    [InlineData(LinkFaultKind.Cut, 2)]
    public void Of_one_with_a_preempt_channel(LinkFaultKind kind, int connection)
    {
        using var rig = new FaultRig
        {
            Parameters = Over with { PostcopyPreempt = true, Peer = PeerKind.PsMigrate, MaxPostcopyBandwidth = Held }, GoesOnThere = true, Struck = connection,
        };
        var sweep = new LinkSweep(rig, most: 20).Forward(kind, connection == 1 ? RecordBoundaries.Forward : RecordBoundaries.Preempt);
        Assert.Contains(GuestLocation.Source, sweep.Locations);
        Assert.Contains(GuestLocation.Destination, sweep.Locations);
        Assert.True(sweep.Recoveries > 2, $"Of {sweep.Count}, {sweep.Recoveries} were recovered.");
    }
}
