using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Migrations;

/// <summary>How far a migration that runs says it is.</summary>
public sealed class ProgressMigrationTests
{
    const long MiB = TestGuests.MiB;

    [Fact]
    public void A_quiet_guest_has_an_estimate_all_the_way()
    {
        using var rig = new Rig(TestGuests.Options(GuestWorkload.Random, 16 * MiB, rate: MiB / 4) with { Content = GuestContent.Random, ContentSize = 0 });
        rig.Parameters = rig.Parameters with { MaxBandwidth = 8 * MiB };
        var states = Watch(rig);
        var active = states.Where(state => state.State == MigrationStatus.Active && state.Current.Bandwidth > 0).ToArray();
        Assert.NotEmpty(active);
        Assert.All(active, state => Assert.True(state.PercentComplete is not null && state.RemainingTime is not null, $"{state.Current}"));
        AssertForwards(states);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void What_does_not_end_has_no_estimate_until_it_does()
    {
        using var rig = new Rig(TestGuests.Options(GuestWorkload.Sequential, 4 * MiB, rate: 160 * MiB) with { Content = GuestContent.Random, ContentSize = 0 });
        rig.Parameters = new()
        {
            Verify = true, MaxBandwidth = 16 * MiB, MaxDowntime = TimeSpan.FromMilliseconds(10), Means = MigrationMeans.Qemu, Policy = BuiltInPolicies.Qemu,
        };
        rig.Start();
        var states = new List<MigrationState>();
        Patience.Until(() => Add(states, rig) is { PercentComplete: null, RemainingTime: null, State: MigrationStatus.Active, Current.Iteration: > 3 }, "no estimate");
        rig.Outgoing!.SetLimits(new MigrationLimits(TimeSpan.FromSeconds(1000), 0, null));
        Assert.True(rig.Finish().Verified);
        states.Add(rig.Outgoing.GetState());
        AssertForwards(states);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void In_postcopy_it_goes_by_what_follows()
    {
        using var rig = new Rig(TestGuests.Options(GuestWorkload.Random, 16 * MiB, rate: MiB / 4) with { Content = GuestContent.Random, ContentSize = 0 });
        rig.Parameters = rig.Parameters with { Verify = false, Postcopy = true, Mode = MigrationMode.Postcopy, MaxPostcopyBandwidth = 8 * MiB };
        var states = Watch(rig);
        Assert.Contains(states, state => state.State == MigrationStatus.PostcopyActive && state.PercentComplete is not null && state.RemainingTime is not null);
        AssertForwards(states);
        rig.AssertRunsOnlyThere();
    }

    /// <summary>What it said from start to end.</summary>
    static List<MigrationState> Watch(Rig rig)
    {
        rig.Start();
        var states = new List<MigrationState>();
        Patience.Until(() => Add(states, rig).Result is not null, "the end");
        Assert.Equal(MigrationStatus.Completed, rig.Finish().State);
        return states;
    }

    static MigrationState Add(List<MigrationState> states, Rig rig)
    {
        states.Add(rig.Outgoing!.GetState());
        return states[^1];
    }

    static void AssertForwards(List<MigrationState> states)
    {
        var percents = states.Select(state => state.PercentComplete).OfType<int>().ToArray();
        Assert.Equal(percents.Order(), percents);
        Assert.All(states, state => Assert.Equal(state.Result?.State == MigrationStatus.Completed, state.PercentComplete == 100));
        Assert.Equal(100, percents[^1]);
    }
}
