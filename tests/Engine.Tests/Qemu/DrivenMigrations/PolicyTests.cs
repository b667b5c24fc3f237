using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>What policies and time limits are for guests of a QEMU.</summary>
public sealed class PolicyTests
{
    [QemuTheory]
    [MemberData(nameof(QemuRows.Last), MemberType = typeof(QemuRows))]
    public void When_the_time_is_over_it_switches_over_or_goes_over_as_was_asked(string binary)
    {
        foreach (var action in new[] { TimeoutAction.SwitchOver, TimeoutAction.Postcopy })
        {
            using var pair = new DrivenPair(binary);
            var migration = pair.Start(pair.Parameters with { Timeout = TimeSpan.FromSeconds(3), OnTimeout = action, Postcopy = action == TimeoutAction.Postcopy });
            var result = DrivenPair.End(migration);
            Assert.True(result.State == MigrationStatus.Completed, $"{action}: {result} {DrivenPair.Story(migration)}");
            Assert.Contains(migration.GetState().Decisions, one => one.Reason.StartsWith($"-OnTimeout {action}", StringComparison.Ordinal));
            DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
        }
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void What_nobody_can_have_a_QEMU_do_is_refused_before_anything_is_changed(string binary)
    {
        using var pair = new DrivenPair(binary);
        var before = pair.Source.Execute("query-migrate-parameters").ToString();
        foreach (var bad in new[]
        {
            pair.Parameters with { Policy = DrivenPair.Policy(1, ("Throttle to 50 %", "Pass >= 1")), AutoConverge = true },
            pair.Parameters with { Policy = DrivenPair.Policy(1, ("AutoConverge", "Pass >= 3")) },
            pair.Parameters with { Policy = MigrationPolicy.Find("DirtyLimit"), ObserveOnly = true },
            pair.Parameters with { Policy = MigrationPolicy.Find("Adaptive"), AutoConverge = true },
            pair.Parameters with { ObserveOnly = true },
        })
            Failing.With(MigrationErrorId.UnsupportedByGuest, () => pair.Start(bad));
        Assert.False(pair.Guest.IsBusy);
        Assert.Equal(before, pair.Source.Execute("query-migrate-parameters").ToString());
    }

    /// <summary>Over a link of 20 MB/s the 32 MB that the guest writes again and again do not fit a second, and fit three.</summary>
    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void StallAware_switches_over_where_passes_bring_nothing_more(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.Start(pair.Parameters with { Policy = MigrationPolicy.Find("StallAware"), MaxDowntime = TimeSpan.FromSeconds(3) });
        var result = DrivenPair.End(migration);
        Assert.True(result.State == MigrationStatus.Completed, $"{result} {DrivenPair.Story(migration)}");
        var decided = DrivenPair.Decided(migration);
        Assert.Equal(("DowntimeLimit", "3000 ms", "1000 ms"), (decided[0].What, decided[0].From, decided[0].To));
        Assert.Equal(("Switch over", "StallAware"), (decided[^1].What, decided[^1].Policy));
        Assert.Contains("StalledPasses", decided[^1].Reason, StringComparison.Ordinal);
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Last), MemberType = typeof(QemuRows))]
    public void DowntimeRamp_raises_the_limit_as_far_as_is_needed(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.Start(pair.Parameters with { Policy = MigrationPolicy.Find("DowntimeRamp"), MaxDowntime = TimeSpan.FromSeconds(6) });
        var result = DrivenPair.End(migration);
        Assert.True(result.State == MigrationStatus.Completed, $"{result} {DrivenPair.Story(migration)}");
        Assert.Equal([("DowntimeLimit", "600 ms"), ("DowntimeLimit", "900 ms"), ("DowntimeLimit", "1350 ms")], DrivenPair.Decided(migration).Select(one => (one.What, one.To)).Take(3));
        Assert.All(migration.GetState().Iterations, one => Assert.InRange(one.DowntimeLimit, TimeSpan.FromMilliseconds(600), one.MaxDowntime));
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.First), MemberType = typeof(QemuRows))]
    public void A_rule_cancels_and_the_guest_stays(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.Start(pair.Parameters with { Policy = DrivenPair.Policy(1, ("Bandwidth to 10 MB/s", "Pass >= 1"), ("Cancel", "Pass >= 2")) });
        var result = DrivenPair.End(migration);
        Assert.Equal((MigrationStatus.Cancelled, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal([("Bandwidth", "10 MB/s"), ("Cancel", "cancelled")], DrivenPair.Decided(migration).Select(one => (one.What, one.To)));
        Assert.Equal(10 << 20, pair.Source.Execute("query-migrate-parameters").GetProperty("max-bandwidth").GetInt64());
        DrivenPair.AssertRunsOnlyAt(pair.Source, pair.Destination);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.First), MemberType = typeof(QemuRows))]
    public void A_rule_goes_over_to_postcopy_where_that_is_allowed(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.Start(pair.Parameters with { Policy = DrivenPair.Policy(1, ("SwitchToPostcopy", "Pass >= 2")), Postcopy = true });
        var result = DrivenPair.End(migration);
        Assert.True(result.State == MigrationStatus.Completed, $"{result} {DrivenPair.Story(migration)}");
        var mode = Assert.Single(migration.GetState().Decisions, one => one.What == "Mode");
        Assert.Contains("Policy test: Pass 2 (>= 2)", mode.Reason, StringComparison.Ordinal);
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Last), MemberType = typeof(QemuRows))]
    public void Adaptive_goes_over_where_that_is_allowed_and_throttles_nothing(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.Start(pair.Parameters with { Policy = MigrationPolicy.Find("Adaptive"), MaxThrottle = 90, Postcopy = true });
        var result = DrivenPair.End(migration);
        Assert.True(result.State == MigrationStatus.Completed, $"{result} {DrivenPair.Story(migration)}");
        Assert.Equal(["Go over"], DrivenPair.Decided(migration).Select(one => one.What));
        Assert.Contains("Policy Adaptive: ", Assert.Single(migration.GetState().Decisions, one => one.What == "Mode").Reason, StringComparison.Ordinal);
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.First), MemberType = typeof(QemuRows))]
    public void Observed_only_nothing_is_done_and_all_is_told(string binary)
    {
        using var pair = new DrivenPair(binary);
        var policy = DrivenPair.Policy(0.5, ("Throttle to 50 %", "Pass >= 1"), ("Bandwidth to 1 MB/s", "Pass >= 1"), ("Cancel", "Pass >= 1"), ("AutoConverge", ""));
        var migration = pair.StartAndPass(4, pair.Parameters with { Policy = policy, ObserveOnly = true });
        Poll.Until(() => DrivenPair.Decided(migration).Any(one => one.What == "Throttle" && one.Reason.Contains("for the second time", StringComparison.Ordinal)), "auto-converge to be observed");
        var settings = pair.Source.Execute("query-migrate-parameters");
        Assert.Equal((1, 20_000_000), (settings.GetProperty("downtime-limit").GetInt64(), settings.GetProperty("max-bandwidth").GetInt64()));
        Assert.False(QemuCapabilities.Query(pair.Source.Qmp).IsOn("auto-converge"));
        migration.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(100)));
        Assert.Equal(MigrationStatus.Completed, DrivenPair.End(migration).State);
        Assert.All(DrivenPair.Decided(migration), one => Assert.True(one.IsObserved));
        Assert.Equal(["Bandwidth", "Cancel", "DowntimeLimit", "Throttle"], DrivenPair.Decided(migration).Select(one => one.What).Distinct().Order());
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }
}
