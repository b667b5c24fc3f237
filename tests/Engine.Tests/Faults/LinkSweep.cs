using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Faults;

/// <summary>The same migration again and again, and each time its link breaks at another place of one direction of one connection.</summary>
/// <param name="rig">What finds the guest in one place each time.</param>
/// <param name="most">At how many places, where there are more; these are evenly spread.</param>
sealed class LinkSweep(FaultRig rig, int most = int.MaxValue)
{
    /// <summary>How many migrations there were.</summary>
    public int Count => Locations.Count;

    /// <summary>Where the guest was found in the end, place by place.</summary>
    public List<GuestLocation> Locations { get; } = [];

    /// <summary>How often a postcopy was recovered.</summary>
    public int Recoveries { get; private set; }

    /// <summary>How many of the migrations left the guest at the source.</summary>
    public int Stayed => Locations.Count(location => location == GuestLocation.Source);

    /// <summary>In what the source sends.</summary>
    public LinkSweep Forward(LinkFaultKind kind, Boundaries? boundaries = null) =>
        Over((boundaries ?? RecordBoundaries.Forward)(rig.Record().Forward), at => rig.Migrate(new LinkFault(kind, at)));

    /// <summary>In what comes back.</summary>
    public LinkSweep Back(LinkFaultKind kind, Boundaries? boundaries = null) =>
        Over((boundaries ?? RecordBoundaries.Back)(rig.Record().Back), at => rig.Migrate(back: new LinkFault(kind, at)));

    LinkSweep Over(List<long> boundaries, Func<long, MigrationResult> migrate)
    {
        foreach (var at in RecordBoundaries.Some(RecordBoundaries.Places(boundaries), most))
        {
            Locations.Add(migrate(at).Location);
            Recoveries += rig.Recoveries;
        }
        return this;
    }
}
