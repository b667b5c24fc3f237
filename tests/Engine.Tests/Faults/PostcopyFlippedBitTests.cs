using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>
/// A link that turns bits round while pages follow a guest, as one whose checksums agree with the damage would. Over TLS every such bit breaks
/// the link, which is made anew (TlsPostcopyTests).
/// </summary>
public sealed class PostcopyFlippedBitTests
{
    static readonly MigrationParameters Over = new() { Postcopy = true, Mode = MigrationMode.Postcopy, SettleTimeout = TimeSpan.Zero };

    [Fact]
    public void In_a_page_nobody_notices_on_a_plain_wire_and_it_can_not_be_verified()
    {
        using var rig = new FaultRig { MayDiffer = true, Parameters = Over };
        var (at, length) = RecordBoundaries.Longest(RecordBoundaries.Forward(rig.Record().Forward));
        Assert.True(length > GuestMemory.PageSize);
        var result = rig.Migrate(new LinkFault(LinkFaultKind.Flip, at + (length / 2)) { Bit = 3 });
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination, 0), (result.State, result.Location, rig.Recoveries));
        Assert.NotEqual(rig.Digest, rig.ArrivedDigest);
        Failing.With(MigrationErrorId.InvalidParameter, () => (Over with { Verify = true }).Validate());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void In_the_head_of_a_record_there_is_one_guest_or_both_ends_say_that_it_is_lost(int part)
    {
        using var rig = new FaultRig(TimeSpan.FromSeconds(2)) { MayDiffer = true, Parameters = Over with { AnswerTimeout = TimeSpan.FromSeconds(2) } };
        var heads = RecordBoundaries.Heads(RecordBoundaries.Forward(rig.Record().Forward));
        var random = new Random(part);
        for (var round = 0; round < 60; round++) rig.Migrate(new LinkFault(LinkFaultKind.Flip, heads[random.Next(heads.Length)]) { Bit = random.Next(8) });
    }

    [Fact]
    public void In_what_comes_back_there_is_one_guest_and_it_is_whole()
    {
        using var rig = new FaultRig(TimeSpan.FromSeconds(2)) { Parameters = Over with { AnswerTimeout = TimeSpan.FromSeconds(2) } };
        var length = rig.Record().Back.Length;
        var random = new Random(7);
        for (var at = 0; at < length; at++) rig.Migrate(back: new LinkFault(LinkFaultKind.Flip, at) { Bit = random.Next(8) });
    }
}
