using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>Bits of the heads of records, by which lengths and kinds become others. Such ends wait in vain: by themselves, so that others run meanwhile.</summary>
public sealed class FlippedHeadTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void In_what_a_source_sends_memory_arrives_as_it_was_or_not_at_all(int part)
    {
        using var rig = new FaultRig(TimeSpan.FromSeconds(2)) { MayDiffer = true };
        var heads = RecordBoundaries.Heads(RecordBoundaries.Forward(rig.Record().Forward));
        var random = new Random(part);
        for (var round = 0; round < 60; round++)
        {
            var result = rig.Migrate(new LinkFault(LinkFaultKind.Flip, heads[random.Next(heads.Length)]) { Bit = random.Next(8) });
            Assert.True(result.Location == GuestLocation.Source || result.Verified, $"{result}");
        }
    }
}
