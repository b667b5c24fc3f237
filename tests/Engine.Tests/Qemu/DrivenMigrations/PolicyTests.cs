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
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void When_the_time_is_over_it_switches_over_or_goes_over_as_was_asked(string binary)
    {
        foreach (var action in new[] { TimeoutAction.SwitchOver, TimeoutAction.Postcopy })
        {
            using var pair = new DrivenPair(binary);
            var migration = pair.Start(pair.Parameters with { Timeout = TimeSpan.FromSeconds(8), OnTimeout = action, Postcopy = action == TimeoutAction.Postcopy });
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
            pair.Parameters with { Policy = Policy(1, ("Throttle to 50 %", "Pass >= 1")), AutoConverge = true },
            pair.Parameters with { Policy = Policy(1, ("AutoConverge", "Pass >= 3")) },
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
        var decided = Decided(migration);
        Assert.Equal(("DowntimeLimit", "3000 ms", "1000 ms"), (decided[0].What, decided[0].From, decided[0].To));
        Assert.Equal(("Switch over", "StallAware"), (decided[^1].What, decided[^1].Policy));
        Assert.Contains("StalledPasses", decided[^1].Reason, StringComparison.Ordinal);
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void DowntimeRamp_raises_the_limit_as_far_as_is_needed(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.Start(pair.Parameters with { Policy = MigrationPolicy.Find("DowntimeRamp"), MaxDowntime = TimeSpan.FromSeconds(6) });
        var result = DrivenPair.End(migration);
        Assert.True(result.State == MigrationStatus.Completed, $"{result} {DrivenPair.Story(migration)}");
        Assert.Equal([("DowntimeLimit", "600 ms"), ("DowntimeLimit", "900 ms"), ("DowntimeLimit", "1350 ms")], Decided(migration).Select(one => (one.What, one.To)).Take(3));
        Assert.All(migration.GetState().Iterations, one => Assert.InRange(one.DowntimeLimit, TimeSpan.FromMilliseconds(600), one.MaxDowntime));
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_rule_cancels_and_the_guest_stays(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.Start(pair.Parameters with { Policy = Policy(1, ("Bandwidth to 10 MB/s", "Pass >= 1"), ("Cancel", "Pass >= 2")) });
        var result = DrivenPair.End(migration);
        Assert.Equal((MigrationStatus.Cancelled, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal([("Bandwidth", "10 MB/s"), ("Cancel", "cancelled")], Decided(migration).Select(one => (one.What, one.To)));
        Assert.Equal(10 << 20, pair.Source.Execute("query-migrate-parameters").GetProperty("max-bandwidth").GetInt64());
        DrivenPair.AssertRunsOnlyAt(pair.Source, pair.Destination);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_rule_goes_over_to_postcopy_where_that_is_allowed(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.Start(pair.Parameters with { Policy = Policy(1, ("SwitchToPostcopy", "Pass >= 2")), Postcopy = true });
        var result = DrivenPair.End(migration);
        Assert.True(result.State == MigrationStatus.Completed, $"{result} {DrivenPair.Story(migration)}");
        var mode = Assert.Single(migration.GetState().Decisions, one => one.What == "Mode");
        Assert.Contains("Policy test: Pass 2 (>= 2)", mode.Reason, StringComparison.Ordinal);
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Adaptive_goes_over_where_that_is_allowed_and_throttles_nothing(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.Start(pair.Parameters with { Policy = MigrationPolicy.Find("Adaptive"), MaxThrottle = 90, Postcopy = true });
        var result = DrivenPair.End(migration);
        Assert.True(result.State == MigrationStatus.Completed, $"{result} {DrivenPair.Story(migration)}");
        Assert.Equal(["Go over"], Decided(migration).Select(one => one.What));
        Assert.Contains("Policy Adaptive: ", Assert.Single(migration.GetState().Decisions, one => one.What == "Mode").Reason, StringComparison.Ordinal);
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Observed_only_nothing_is_done_and_all_is_told(string binary)
    {
        using var pair = new DrivenPair(binary);
        var policy = Policy(0.5, ("Throttle to 50 %", "Pass >= 1"), ("Bandwidth to 1 MB/s", "Pass >= 1"), ("Cancel", "Pass >= 1"), ("AutoConverge", ""));
        var migration = pair.StartAndPass(4, pair.Parameters with { Policy = policy, ObserveOnly = true });
        Poll.Until(() => Decided(migration).Any(one => one.What == "Throttle" && one.Reason.Contains("for the second time", StringComparison.Ordinal)), "auto-converge to be observed");
        var settings = pair.Source.Execute("query-migrate-parameters");
        Assert.Equal((1, 20_000_000), (settings.GetProperty("downtime-limit").GetInt64(), settings.GetProperty("max-bandwidth").GetInt64()));
        Assert.False(QemuCapabilities.Query(pair.Source.Qmp).IsOn("auto-converge"));
        migration.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(100)));
        Assert.Equal(MigrationStatus.Completed, DrivenPair.End(migration).State);
        Assert.All(Decided(migration), one => Assert.True(one.IsObserved));
        Assert.Equal(["Bandwidth", "Cancel", "DowntimeLimit", "Throttle"], Decided(migration).Select(one => one.What).Distinct().Order());
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Answers_to_passes_are_heeded_beside_QEMUs_own_auto_converge(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.Start(pair.Parameters with
        {
            Policy = Policy(0.0001, ("AutoConverge", "")), MaxDowntime = TimeSpan.FromSeconds(100), MaxThrottle = 30, OnIterationTimeout = TimeSpan.FromMinutes(10),
        });
        while (migration.TryTakeIteration(out var pass, Patience.Limit) && !pass.IsFinal)
            migration.Answer(pass, pass.Iteration < 3 ? [PolicyAction.Parse("Throttle to 99 %")] : [PolicyAction.Parse("SwitchOver")]);
        var result = DrivenPair.End(migration);
        Assert.True(result.State == MigrationStatus.Completed, $"{result} {DrivenPair.Story(migration)}");
        var answers = Decided(migration).Where(one => one.Policy == MigrationDecision.OnIteration).ToArray();
        Assert.Equal(("Throttle", "refused"), (answers[0].What, answers[0].To));
        Assert.Equal(("Switch over", "at the end of this pass"), (answers[^1].What, answers[^1].To));
        Assert.True(QemuCapabilities.Query(pair.Source.Qmp).IsOn("auto-converge"));
        Assert.All(migration.GetState().Iterations, one => Assert.InRange(one.ThrottlePercent, 0, 30));
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Another_policy_and_other_throttles_bind_while_it_runs(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.StartAndPass(1, pair.Parameters with { AutoConverge = true, ThrottleInitial = 20, MaxThrottle = 25 });
        Failing.With(MigrationErrorId.UnsupportedByGuest, () => migration.SetLimits(new MigrationLimits { Policy = Policy(1, ("Throttle to 9 %", "")) }));
        migration.SetLimits(new MigrationLimits { MaxThrottle = 80, ThrottleIncrement = 60, ThrottleTrigger = 10 });
        var settings = pair.Source.Execute("query-migrate-parameters");
        Assert.Equal(
            (80, 60, 10), (settings.GetProperty("max-cpu-throttle").GetInt32(), settings.GetProperty("cpu-throttle-increment").GetInt32(), settings.GetProperty("throttle-trigger-threshold").GetInt32()));
        migration.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(100)) { Policy = Policy(0.0001, ("SwitchOver", "Pass >= 4")) });
        var result = DrivenPair.End(migration);
        Assert.True(result.State == MigrationStatus.Completed, $"{result} {DrivenPair.Story(migration)}");
        Assert.Equal(
            ["MaxThrottle", "ThrottleIncrement", "ThrottleTrigger", "MaxDowntime", "Policy"],
            migration.GetState().Decisions.Where(one => one.Reason == "Set-Migration was called.").Select(one => one.What));
        // QEMU may look at the log once more before it ends, which is a pass too.
        Assert.Equal(["DowntimeLimit", "Switch over"], Decided(migration).Select(one => one.What).Distinct());
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_rule_slows_the_guest_down_and_less_of_it_is_less(string binary)
    {
        using var pair = new DrivenPair(binary);
        var before = ThrottleSettings(pair.Source);
        var migration = pair.Start(pair.Parameters with { Policy = Policy(1, ("Throttle to 60 %", "Pass >= 1")), MaxThrottle = 40 });
        Poll.Until(() => migration.GetState().Current.ThrottlePercent == 40, "the throttle");
        migration.SetLimits(new MigrationLimits { MaxThrottle = 15 });
        Poll.Until(() => migration.GetState().Current.ThrottlePercent == 15, "less of it");
        migration.SetLimits(new MigrationLimits { Policy = MigrationPolicy.Find("Qemu") });
        Poll.Until(() => migration.GetState().Current.ThrottlePercent == 1, "the least that there is");
        Assert.All(migration.GetState().Iterations, one => Assert.InRange(one.ThrottlePercent, 0, 40));
        Assert.Equal(("Throttle", "0 %", "40 %"), (Decided(migration)[0].What, Decided(migration)[0].From, Decided(migration)[0].To));
        Assert.Equal(CancelOutcome.Cancelled, migration.Cancel().Outcome);
        Assert.Equal(before, ThrottleSettings(pair.Source));
        DrivenPair.AssertRunsOnlyAt(pair.Source, pair.Destination);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_smaller_maximum_binds_QEMUs_own_throttle_also_where_nothing_has_it_act(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.Start(pair.Parameters with { AutoConverge = true, ThrottleIncrement = 60 });
        Poll.Until(() => migration.GetState().Current.ThrottlePercent >= 80, "QEMU's throttle");
        migration.SetLimits(new MigrationLimits { ThrottleTrigger = 100 });
        migration.SetLimits(new MigrationLimits { MaxThrottle = 15 });
        Poll.Until(() => migration.GetState().Current.ThrottlePercent == 15, "less of it");
        Poll.Until(() => ThrottleSettings(pair.Source).Contains("throttle-trigger-threshold=100 ", StringComparison.Ordinal), "the trigger that was asked for");
        Assert.Equal(CancelOutcome.Cancelled, migration.Cancel().Outcome);
        DrivenPair.AssertRunsOnlyAt(pair.Source, pair.Destination);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void An_answer_slows_the_guest_down_where_that_was_permitted(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.Start(pair.Parameters with { MaxThrottle = 30, OnIterationTimeout = TimeSpan.FromMinutes(10) });
        while (migration.TryTakeIteration(out var pass, Patience.Limit) && !pass.IsFinal)
            migration.Answer(pass, PolicyAction.Parse(pass.ThrottlePercent < 30 ? "Throttle to 99 %" : "Cancel"));
        var result = DrivenPair.End(migration);
        Assert.True(result.State == MigrationStatus.Cancelled, $"{result} {DrivenPair.Story(migration)}");
        Assert.Equal([("Throttle", "30 %"), ("Cancel", "cancelled")], Decided(migration).Select(one => (one.What, one.To)));
        DrivenPair.AssertRunsOnlyAt(pair.Source, pair.Destination);
    }

    static string ThrottleSettings(QemuMachine machine)
    {
        var all = machine.Execute("query-migrate-parameters");
        return string.Join(" ", new[] { "cpu-throttle-initial", "cpu-throttle-increment", "max-cpu-throttle", "throttle-trigger-threshold", "cpu-throttle-tailslow" }
            .Select(name => $"{name}={all.GetProperty(name)}"));
    }

    static MigrationDecision[] Decided(Migration migration) => [.. migration.GetState().Decisions.Where(one => one.Policy.Length > 0)];

    static MigrationPolicy Policy(double startDowntime, params (string Then, string When)[] rules) => new()
    {
        Name = "test", StartDowntime = startDowntime,
        Rules = [.. rules.Select(rule => new PolicyRule { Then = PolicyAction.Parse(rule.Then), When = rule.When.Length == 0 ? [] : [PolicyCondition.Parse(rule.When)] })],
    };
}
