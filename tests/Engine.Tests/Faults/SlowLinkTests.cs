using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>Links that are slow, far, or deliver byte by byte, and lose nothing: the guest arrives.</summary>
public sealed class SlowLinkTests
{
    [Fact]
    public void Byte_by_byte_in_both_directions() => Arrives(new LinkFault { Piece = 1 }, new LinkFault { Piece = 1 });

    [Fact]
    public void In_pieces_that_fit_no_record() => Arrives(new LinkFault { Piece = 4095 }, new LinkFault { Piece = 3 });

    [Fact]
    public void Far_away() =>
        Arrives(new LinkFault { Delay = TimeSpan.FromMilliseconds(150) }, new LinkFault { Delay = TimeSpan.FromMilliseconds(150) });

    [Fact]
    public void At_a_hundred_kilobytes_a_second() => Arrives(new LinkFault { Rate = 100_000, Piece = 10_000 }, new LinkFault());

    static void Arrives(LinkFault forward, LinkFault back)
    {
        using var rig = new FaultRig();
        var result = rig.Migrate(forward, back);
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination, true), (result.State, result.Location, result.Verified));
    }
}
