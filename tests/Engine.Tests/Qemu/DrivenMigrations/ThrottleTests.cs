using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>How vCPUs of a QEMU are slowed down, by its auto-converge, and who says how far.</summary>
public sealed class ThrottleTests
{
    // QEMU judges what was dirtied in more than a second: passes of 32 MB that take little more than that.
    const long Quick = 28_000_000;

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_rule_slows_the_guest_down_and_less_of_it_is_less(string binary)
    {
        using var pair = new DrivenPair(binary);
        var before = ThrottleSettings(pair.Source);
        var migration = pair.Start(pair.Parameters with { MaxBandwidth = Quick, Policy = DrivenPair.Policy(1, ("Throttle to 60 %", "Pass >= 1")), MaxThrottle = 40 });
        Poll.Until(() => migration.GetState().Current.ThrottlePercent == 40, "the throttle");
        migration.SetLimits(new MigrationLimits { MaxThrottle = 15 });
        Poll.Until(() => migration.GetState().Current.ThrottlePercent == 15, "less of it");
        migration.SetLimits(new MigrationLimits { Policy = MigrationPolicy.Find("Qemu") });
        Poll.Until(() => migration.GetState().Current.ThrottlePercent == 1, "the least that there is");
        Assert.All(migration.GetState().Iterations, one => Assert.InRange(one.ThrottlePercent, 0, 40));
        Assert.Equal(("Throttle", "0 %", "40 %"), (DrivenPair.Decided(migration)[0].What, DrivenPair.Decided(migration)[0].From, DrivenPair.Decided(migration)[0].To));
        Assert.Equal(CancelOutcome.Cancelled, migration.Cancel().Outcome);
        Assert.Equal(before, ThrottleSettings(pair.Source));
        DrivenPair.AssertRunsOnlyAt(pair.Source, pair.Destination);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_smaller_maximum_binds_QEMUs_own_throttle_also_where_nothing_has_it_act(string binary)
    {
        using var pair = new DrivenPair(binary);
        // Slowed down further it might not write at all for a pass, and would have gone over.
        var migration = pair.Start(pair.Parameters with { MaxBandwidth = Quick, AutoConverge = true, ThrottleIncrement = 60, MaxThrottle = 80 });
        Poll.Until(() => migration.GetState().Current.ThrottlePercent == 80, "QEMU's throttle");
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
        Assert.Equal([("Throttle", "30 %"), ("Cancel", "cancelled")], DrivenPair.Decided(migration).Select(one => (one.What, one.To)));
        DrivenPair.AssertRunsOnlyAt(pair.Source, pair.Destination);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.First), MemberType = typeof(QemuRows))]
    public void Answers_to_passes_are_heeded_beside_QEMUs_own_auto_converge(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.Start(pair.Parameters with
        {
            Policy = DrivenPair.Policy(0.0001, ("AutoConverge", "")), MaxDowntime = TimeSpan.FromSeconds(100), MaxThrottle = 30, OnIterationTimeout = TimeSpan.FromMinutes(10),
        });
        while (migration.TryTakeIteration(out var pass, Patience.Limit) && !pass.IsFinal)
            migration.Answer(pass, pass.Iteration < 3 ? [PolicyAction.Parse("Throttle to 99 %")] : [PolicyAction.Parse("SwitchOver")]);
        var result = DrivenPair.End(migration);
        Assert.True(result.State == MigrationStatus.Completed, $"{result} {DrivenPair.Story(migration)}");
        var answers = DrivenPair.Decided(migration).Where(one => one.Policy == MigrationDecision.OnIteration).ToArray();
        Assert.Equal(("Throttle", "refused"), (answers[0].What, answers[0].To));
        Assert.Equal(("Switch over", "at the end of this pass"), (answers[^1].What, answers[^1].To));
        Assert.True(QemuCapabilities.Query(pair.Source.Qmp).IsOn("auto-converge"));
        Assert.All(migration.GetState().Iterations, one => Assert.InRange(one.ThrottlePercent, 0, 30));
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Last), MemberType = typeof(QemuRows))]
    public void Another_policy_and_other_throttles_bind_while_it_runs(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.StartAndPass(1, pair.Parameters with { AutoConverge = true, ThrottleInitial = 20, MaxThrottle = 25 });
        Failing.With(MigrationErrorId.UnsupportedByGuest, () => migration.SetLimits(new MigrationLimits { Policy = DrivenPair.Policy(1, ("Throttle to 9 %", "")) }));
        migration.SetLimits(new MigrationLimits { MaxThrottle = 80, ThrottleIncrement = 60, ThrottleTrigger = 10 });
        var settings = pair.Source.Execute("query-migrate-parameters");
        Assert.Equal(
            (80, 60, 10), (settings.GetProperty("max-cpu-throttle").GetInt32(), settings.GetProperty("cpu-throttle-increment").GetInt32(), settings.GetProperty("throttle-trigger-threshold").GetInt32()));
        migration.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(100)) { Policy = DrivenPair.Policy(0.0001, ("SwitchOver", "Pass >= 4")) });
        var result = DrivenPair.End(migration);
        Assert.True(result.State == MigrationStatus.Completed, $"{result} {DrivenPair.Story(migration)}");
        Assert.Equal(
            ["MaxThrottle", "ThrottleIncrement", "ThrottleTrigger", "MaxDowntime", "Policy"],
            migration.GetState().Decisions.Where(one => one.Reason == "Set-Migration was called.").Select(one => one.What));
        // QEMU may look at the log once more before it ends, which is a pass too.
        Assert.Equal(["DowntimeLimit", "Switch over"], DrivenPair.Decided(migration).Select(one => one.What).Distinct());
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    static string ThrottleSettings(QemuMachine machine)
    {
        var all = machine.Execute("query-migrate-parameters");
        return string.Join(" ", new[] { "cpu-throttle-initial", "cpu-throttle-increment", "max-cpu-throttle", "throttle-trigger-threshold", "cpu-throttle-tailslow" }
            .Select(name => $"{name}={all.GetProperty(name)}"));
    }
}
