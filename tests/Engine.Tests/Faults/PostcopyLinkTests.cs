using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>
/// The link of a guest that runs at its destination is slow, far, silent, or broken in one direction or both, without TLS: it waits for what it
/// needs, and is there whole in the end.
/// </summary>
public sealed class PostcopyLinkTests
{
    const long Small = 256 << 10;

    // Behind the words around RUN: of the pages, or of the requests for them.
    const long InPages = 100_000;
    const long InRequests = 250;

    [Fact]
    public void Byte_by_byte_in_both_directions() => GoesOnWhole(new LinkFault { Piece = 1 }, new LinkFault { Piece = 1 });

    [Fact]
    public void In_pieces_that_fit_no_record() => GoesOnWhole(new LinkFault { Piece = 4095 }, new LinkFault { Piece = 3 });

    [Fact]
    public void Far_away() =>
        GoesOnWhole(new LinkFault { Delay = TimeSpan.FromMilliseconds(50) }, new LinkFault { Delay = TimeSpan.FromMilliseconds(50) });

    [Fact]
    public void At_a_hundred_kilobytes_a_second() => GoesOnWhole(new LinkFault { Rate = 100_000, Piece = 10_000 }, new LinkFault());

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Silent_for_a_second_nobody_says_anything(bool isForward)
    {
        var stall = new LinkFault(LinkFaultKind.Stall, isForward ? InPages : InRequests);
        using var rig = isForward ? new FollowingRig(forward: stall) : new FollowingRig(back: stall);
        Patience.Until(() => rig.Proxy.HasStruck, "the stall");
        Thread.Sleep(1000);
        rig.Proxy.Release();
        rig.Finish();
        Assert.Equal(0, rig.Breaks);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Silent_for_ever_both_ends_pause_when_their_time_is_over(bool isForward)
    {
        var stall = new LinkFault(LinkFaultKind.Stall, isForward ? InPages : InRequests);
        var patience = TimeSpan.FromSeconds(3);
        using var rig = isForward ? new FollowingRig(forward: stall, patience: patience) : new FollowingRig(back: stall, patience: patience);
        rig.AwaitPause();
        Assert.True(rig.Proxy.HasStruck);
        rig.Migration.Recover();
        rig.Finish();
    }

    [Theory]
    [InlineData(LinkFaultKind.Reset, true)]
    [InlineData(LinkFaultKind.Reset, false)]
    [InlineData(LinkFaultKind.Cut, true)]
    [InlineData(LinkFaultKind.Cut, false)]
    [InlineData(LinkFaultKind.HalfClose, true)]
    [InlineData(LinkFaultKind.HalfClose, false)]
    public void Broken_in_pages_or_in_requests_it_is_paused_and_goes_on(LinkFaultKind kind, bool isForward)
    {
        var fault = new LinkFault(kind, isForward ? InPages : InRequests);
        using var rig = isForward ? new FollowingRig(forward: fault) : new FollowingRig(back: fault);
        rig.AwaitPause();
        rig.Migration.Recover();
        rig.Finish();
        Assert.Equal(1, rig.Breaks);
    }

    static void GoesOnWhole(LinkFault forward, LinkFault back)
    {
        using var rig = new FollowingRig(forward, back, size: Small);
        Patience.Until(() => rig.Migration.Status == MigrationStatus.PostcopyActive, "the postcopy");
        Patience.Until(() => rig.Arrived.Cpus.All(cpu => cpu.Faults?.Figures.Faults > 0), "a need for pages");
        rig.Finish();
        Assert.Equal(0, rig.Breaks);
        Assert.True(rig.Migration.Result!.Postcopy!.Faults > 0);
    }
}
