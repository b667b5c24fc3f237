using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>
/// The link of a postcopy breaks at every record, in either direction: before RUN the guest stays here, after it the migration is recovered,
/// and the guest is there whole.
/// </summary>
public sealed class PostcopySweepTests
{
    [Theory]
    [InlineData(LinkFaultKind.Reset)]
    [InlineData(LinkFaultKind.Cut)]
    [InlineData(LinkFaultKind.HalfClose)]
    public void Behind_any_byte_that_a_source_sends(LinkFaultKind kind)
    {
        using var rig = new FaultRig();
        rig.Parameters = rig.Parameters with { Verify = false, Postcopy = true, Mode = MigrationMode.Postcopy };
        var places = RecordBoundaries.Places(RecordBoundaries.Forward(rig.Record().Forward));
        var recoveries = 0;
        var stayed = 0;
        foreach (var at in places)
        {
            if (rig.Migrate(new LinkFault(kind, at)).Location == GuestLocation.Source) stayed++;
            recoveries += rig.Recoveries;
        }
        Assert.True(stayed > 20 && recoveries > 4, $"Of {places.Length}, {stayed} stayed and {recoveries} were recovered.");
    }

    [Theory]
    [InlineData(LinkFaultKind.Reset)]
    [InlineData(LinkFaultKind.Cut)]
    [InlineData(LinkFaultKind.HalfClose)]
    public void Behind_any_byte_that_comes_back(LinkFaultKind kind)
    {
        using var rig = new FaultRig();
        rig.Parameters = rig.Parameters with { Verify = false, Postcopy = true, Mode = MigrationMode.Postcopy };
        var places = RecordBoundaries.Places(RecordBoundaries.Back(rig.Record().Back));
        foreach (var at in places) rig.Migrate(back: new LinkFault(kind, at));
    }
}
