using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>
/// The link breaks at every record of a migration, before it, behind it and inside of it, in either direction: the guest is in one place
/// each time.
/// </summary>
public sealed class BrokenLinkSweepTests
{
    static readonly TimeSpan Short = TimeSpan.FromMilliseconds(300);

    [Theory]
    [InlineData(LinkFaultKind.Reset)]
    [InlineData(LinkFaultKind.Cut)]
    [InlineData(LinkFaultKind.HalfClose)]
    public void Behind_any_byte_that_a_source_sends(LinkFaultKind kind)
    {
        using var rig = new FaultRig();
        var sweep = new LinkSweep(rig).Forward(kind);
        Assert.True(sweep.Count > 60, $"Only {sweep.Count} places.");
        // Until RUN has left it stays; a sweep that never came so far, or never failed, would test little.
        Assert.True(sweep.Stayed > 40, string.Join(", ", sweep.Locations));
        Assert.Equal(GuestLocation.Source, sweep.Locations[0]);
    }

    [Theory]
    [InlineData(LinkFaultKind.Reset)]
    [InlineData(LinkFaultKind.Cut)]
    [InlineData(LinkFaultKind.HalfClose)]
    public void Behind_any_byte_that_comes_back(LinkFaultKind kind)
    {
        using var rig = new FaultRig();
        var sweep = new LinkSweep(rig).Back(kind);
        Assert.Equal(GuestLocation.Source, sweep.Locations[0]);
        // READY has passed whole: RUN was sent, and only the destination's word counts.
        Assert.Contains(GuestLocation.Destination, sweep.Locations);
    }

    [Fact]
    public void Nobody_says_that_it_broke_and_what_was_held_up_comes_late()
    {
        long[] forward, back;
        using (var rig = new FaultRig())
        {
            var (sent, answered) = rig.Record();
            (forward, back) = ([.. RecordBoundaries.Forward(sent)], [.. RecordBoundaries.Back(answered)]);
        }
        // They wait, and need no processor for that.
        var work = forward.Select(at => (new LinkFault(LinkFaultKind.Stall, at), (LinkFault?)null))
            .Concat(back.Select(at => (new LinkFault(), (LinkFault?)new LinkFault(LinkFaultKind.Stall, at)))).ToList();
        Parallel.ForEach(work, new ParallelOptions { MaxDegreeOfParallelism = 12 }, pair =>
        {
            using var rig = new FaultRig(Short);
            rig.Migrate(pair.Item1, pair.Item2);
        });
    }

    [Fact]
    public void With_a_part_of_RUN_it_is_in_doubt_and_then_here()
    {
        using var rig = new FaultRig();
        using var proxy = new FaultProxy(rig.Receiver.Uri, new LinkFault(LinkFaultKind.Cut, rig.Record().Forward.Length - 1)) { RefusedAfterwards = 1 };
        AssertWasInDoubt(rig, proxy);
        Assert.Equal("", rig.ArrivedDigest);
    }

    [Fact]
    public void With_a_part_of_RUNNING_it_is_in_doubt_and_then_there()
    {
        using var rig = new FaultRig();
        var answers = RecordBoundaries.Back(rig.Record().Back);
        using var proxy = new FaultProxy(rig.Receiver.Uri, back: new LinkFault(LinkFaultKind.Cut, answers[^3] + 1)) { RefusedAfterwards = 1 };
        AssertWasInDoubt(rig, proxy);
        Assert.Equal(rig.Digest, rig.ArrivedDigest);
    }

    /// <summary>Nobody could be asked at first; the rig asks later.</summary>
    static void AssertWasInDoubt(FaultRig rig, FaultProxy proxy)
    {
        var result = rig.Migrate(proxy, "in doubt");
        Assert.Equal((GuestLocation.InDoubt, MigrationErrorId.HandoverInDoubt, MigrationSide.Link), (result.Location, result.Error!.Id, result.Error.Side));
        Assert.Equal(3, proxy.Connections);
    }
}
