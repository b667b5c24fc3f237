using System.Text.Json.Nodes;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qmp;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>What a QEMU is told by a policy, pass by pass.</summary>
public sealed class ScriptedPolicyTests
{
    const long MiB = 1 << 20;

    static readonly MigrationParameters Ramp = new() { Policy = MigrationPolicy.Find("DowntimeRamp"), MaxDowntime = TimeSpan.FromSeconds(1), MaxBandwidth = 100 * MiB };

    /// <summary>What remains after each pass is as much, over a link of 80 Mbit/s.</summary>
    static void Stall(ScriptedSource qemu, Migration migration, int pass)
    {
        qemu.Pass(pass, transferred: pass * 64 * MiB, normal: pass * 16_384, remaining: 64 * MiB, mbps: 80);
        Patience.Until(() => migration.GetState().Current.Qemu.DirtySyncCount >= pass, $"pass {pass}");
    }

    static long? Last(ScriptedSource qemu, string name) => qemu.Settings.LastOrDefault(one => one.ContainsKey(name))?[name]!.GetValue<long>();

    [Fact]
    public void The_limit_begins_low_and_is_raised_as_passes_bring_nothing_more()
    {
        using var qemu = new ScriptedSource();
        var migration = qemu.Start(Ramp);
        Assert.Equal((100, 100 * MiB), (Last(qemu, "downtime-limit"), Last(qemu, "max-bandwidth")));
        for (var pass = 1; pass <= 3; pass++) Stall(qemu, migration, pass);
        Assert.Equal(100, Last(qemu, "downtime-limit"));
        foreach (var (pass, limit) in new[] { (4, 150), (5, 225), (6, 338), (7, 507), (8, 760), (9, 1000) })
        {
            Stall(qemu, migration, pass);
            Patience.Until(() => Last(qemu, "downtime-limit") == limit, $"{limit} ms after pass {pass - 1}");
        }
        var told = qemu.Settings.Length;
        for (var pass = 10; pass <= 12; pass++) Stall(qemu, migration, pass);
        Assert.Equal(told, qemu.Settings.Length);
        migration.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromMilliseconds(200)));
        Assert.Equal(200, Last(qemu, "downtime-limit"));
        qemu.Report("failed");
        DrivenPair.End(migration);
    }

    [Fact]
    public void The_bandwidth_of_a_rule_holds_when_the_user_raises_the_limit()
    {
        using var qemu = new ScriptedSource();
        var migration = qemu.Start(Ramp with { Policy = new MigrationPolicy { Name = "slow", Rules = [new PolicyRule { Then = PolicyAction.Parse("Bandwidth to 20 MB/s") }] } });
        Stall(qemu, migration, 1);
        Stall(qemu, migration, 2);
        Patience.Until(() => Last(qemu, "max-bandwidth") == 20 * MiB, "the rule");
        migration.SetLimits(new MigrationLimits(MaxBandwidth: 200 * MiB));
        Assert.Equal(20 * MiB, Last(qemu, "max-bandwidth"));
        migration.SetLimits(new MigrationLimits(MaxBandwidth: 10 * MiB));
        Assert.Equal(10 * MiB, Last(qemu, "max-bandwidth"));
        qemu.Report("failed");
        DrivenPair.End(migration);
    }

    [Fact]
    public void SwitchOver_gives_QEMU_the_limit_of_the_user_until_the_next_pass_has_ended()
    {
        using var qemu = new ScriptedSource();
        var policy = new MigrationPolicy
        {
            Name = "once", StartDowntime = 0.1, Rules = [new PolicyRule { Then = PolicyAction.Parse("SwitchOver"), When = [PolicyCondition.Parse("Pending <= 8 MB")] }],
        };
        var migration = qemu.Start(Ramp with { Policy = policy });
        Stall(qemu, migration, 1);
        Stall(qemu, migration, 2);
        Assert.Equal(100, Last(qemu, "downtime-limit"));
        qemu.Pass(3, transferred: 200 * MiB, normal: 60_000, remaining: 8 * MiB, mbps: 80);
        Patience.Until(() => Last(qemu, "downtime-limit") == 1000, "the limit of the user");
        // It wrote too much meanwhile.
        Stall(qemu, migration, 4);
        Patience.Until(() => Last(qemu, "downtime-limit") == 100, "the limit of the policy");
        qemu.Report("failed");
        DrivenPair.End(migration);
    }

    [Fact]
    public void What_is_left_has_to_fit_what_the_user_allows()
    {
        using var qemu = new ScriptedSource();
        var migration = qemu.Start(Ramp with { Policy = new MigrationPolicy { Name = "hasty", StartDowntime = 0.1, Rules = [new PolicyRule { Then = PolicyAction.Parse("SwitchOver") }] } });
        for (var pass = 1; pass <= 5; pass++) Stall(qemu, migration, pass);
        Assert.Equal(100, Last(qemu, "downtime-limit"));
        qemu.Report("failed");
        DrivenPair.End(migration);
    }

    [Fact]
    public void What_is_done_when_the_time_is_over_can_be_changed_on_the_way()
    {
        using var qemu = new ScriptedSource();
        var migration = qemu.Start(Ramp with { Timeout = TimeSpan.FromHours(1) });
        Stall(qemu, migration, 1);
        // Its QEMUs were not set for it.
        Failing.With(MigrationErrorId.InvalidState, () => migration.SetLimits(new MigrationLimits { OnTimeout = TimeoutAction.Postcopy }));
        Assert.Equal((TimeoutAction.Cancel, false), (migration.GetState().Parameters.OnTimeout, migration.GetState().Parameters.Postcopy));
        migration.SetLimits(new MigrationLimits { OnTimeout = TimeoutAction.SwitchOver });
        var told = Assert.Single(migration.GetState().Decisions, one => one.What == "OnTimeout");
        Assert.Equal(("Cancel", "SwitchOver"), (told.From, told.To));
        migration.SetLimits(new MigrationLimits(Timeout: TimeSpan.FromMilliseconds(1)));
        Patience.Until(() => Last(qemu, "downtime-limit") == 2_000_000, "it switches over");
        qemu.Report("failed");
        DrivenPair.End(migration);
    }

    [Fact]
    public void A_QEMU_that_was_set_for_postcopy_goes_over_when_the_time_is_over_although_that_was_said_on_the_way()
    {
        using var qemu = new ScriptedSource();
        qemu.Fake.Answer("migrate-start-postcopy", () => new JsonObject());
        var migration = qemu.Start(Ramp with { Timeout = TimeSpan.FromHours(1), Postcopy = true });
        Stall(qemu, migration, 1);
        migration.SetLimits(new MigrationLimits(Timeout: TimeSpan.FromMilliseconds(1)) { OnTimeout = TimeoutAction.Postcopy });
        Patience.Until(() => qemu.Fake.CountOf("migrate-start-postcopy") == 1, "it goes over");
        qemu.Report("failed");
        DrivenPair.End(migration);
    }

    [Fact]
    public void A_QEMU_that_refuses_is_no_reason_to_end()
    {
        using var qemu = new ScriptedSource();
        var migration = qemu.Start(Ramp);
        qemu.Fake.Answer("migrate-set-parameters", () => throw new QmpRefusal("Not today."));
        for (var pass = 1; pass <= 4; pass++) Stall(qemu, migration, pass);
        Patience.Until(() => migration.GetState().Decisions.Any(one => one.To == "refused" && one.Reason.Contains("Not today.", StringComparison.Ordinal)), "the refusal");
        Assert.Equal(MigrationStatus.Active, migration.Status);
        qemu.Report("failed");
        DrivenPair.End(migration);
    }

    [Fact]
    public void Figures_that_can_not_be_are_no_reason_to_end()
    {
        using var qemu = new ScriptedSource();
        var policy = new MigrationPolicy
        {
            Name = "all",
            Rules = [.. Enum.GetValues<PolicyFigure>().Select(figure => new PolicyRule
            {
                Then = PolicyAction.Parse("DowntimeLimit times 1.1"), When = [new PolicyCondition(figure, PolicyComparison.GreaterThan, 0)],
            })],
        };
        var migration = qemu.Start(Ramp with { Policy = policy with { StartDowntime = 0.1 } });
        var syncs = 1;
        foreach (var remaining in new[] { long.MinValue, -1, long.MaxValue })
            foreach (var mbps in new[] { -1e308, 1e308, 1e-300, 0 })
                foreach (var pages in new[] { long.MinValue, long.MaxValue })
                {
                    var pass = ++syncs;
                    qemu.Pass(pass, transferred: pages, normal: pages, remaining: remaining, mbps: mbps);
                    Patience.Until(() => migration.IsEnded || migration.GetState().Current.Qemu.DirtySyncCount >= pass, $"pass {pass}");
                    Assert.Equal(MigrationStatus.Active, migration.Status);
                }
        qemu.Report("failed");
        Assert.Equal(MigrationErrorId.QemuMigrationFailed, DrivenPair.End(migration).Error!.Id);
        Assert.InRange(Last(qemu, "downtime-limit")!.Value, 100, 1000);
    }

    [Fact]
    public void Complete_is_not_taken_back_by_a_policy()
    {
        using var qemu = new ScriptedSource();
        var migration = qemu.Start(Ramp);
        Stall(qemu, migration, 1);
        migration.Complete();
        for (var pass = 2; pass <= 6; pass++) Stall(qemu, migration, pass);
        Assert.Equal(2_000_000, Last(qemu, "downtime-limit"));
        qemu.Report("failed");
        DrivenPair.End(migration);
    }

    [Fact]
    public void QEMUs_own_throttle_is_a_figure_that_rules_can_look_at()
    {
        using var qemu = new ScriptedSource { On = ["return-path"], Has = ["auto-converge"] };
        var policy = new MigrationPolicy
        {
            Name = "patience",
            Rules =
            [
                new PolicyRule { Then = PolicyAction.Parse("AutoConverge") },
                new PolicyRule { Then = PolicyAction.Parse("Cancel"), When = [PolicyCondition.Parse("Throttle >= 50 %")] },
            ],
        };
        var migration = qemu.Start(Ramp with { Policy = policy });
        Stall(qemu, migration, 1);
        Stall(qemu, migration, 2);
        Assert.Equal(0, qemu.Fake.CountOf("migrate_cancel"));
        qemu.Throttle = 60;
        Stall(qemu, migration, 3);
        Assert.Equal(MigrationStatus.Cancelled, DrivenPair.End(migration).State);
        Assert.Contains(migration.GetState().Decisions, one => one is { What: "Cancel", Policy: "patience" });
    }

    [Fact]
    public void A_throttle_is_steered_by_the_parameters_of_auto_converge_and_they_are_set_back()
    {
        using var qemu = new ScriptedSource { Has = ["auto-converge"] };
        var policy = new MigrationPolicy { Name = "slow", Rules = [new PolicyRule { Then = PolicyAction.Parse("Throttle to 50 %"), When = [PolicyCondition.Parse("Pass >= 2")] }] };
        var migration = qemu.Start(Ramp with { Policy = policy });
        Assert.Equal("1 99 1 100", Throttle(qemu));
        for (var pass = 1; pass <= 3; pass++) Stall(qemu, migration, pass);
        Patience.Until(() => Throttle(qemu) == "50 99 50 1", "the rule");
        migration.SetLimits(new MigrationLimits { Policy = MigrationPolicy.Find("Qemu") });
        Patience.Until(() => Throttle(qemu) == "1 99 1 1", "none");
        qemu.Report("failed");
        DrivenPair.End(migration);
        Assert.Equal("20 10 99 50", Throttle(qemu));
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData(0, false)]
    [InlineData(50, true)]
    public void A_script_may_throttle_where_it_has_leave(int? most, bool mayThrottle)
    {
        using var qemu = new ScriptedSource { Has = ["auto-converge"] };
        var migration = qemu.Start(Ramp with { Policy = null, MaxThrottle = most, OnIterationTimeout = TimeSpan.FromMinutes(10) });
        Assert.Equal(mayThrottle, qemu.Sent["migrate-set-capabilities"].ToJsonString().Contains("auto-converge", StringComparison.Ordinal));
        Stall(qemu, migration, 1);
        Stall(qemu, migration, 2);
        Assert.True(migration.TryTakeIteration(out var pass, Patience.Limit));
        migration.Answer(pass, PolicyAction.Parse("Throttle to 30 %"));
        if (mayThrottle) Patience.Until(() => Throttle(qemu) == "30 99 30 1", "the answer");
        else Patience.Until(() => migration.GetState().Decisions.Any(one => one is { What: "Throttle", To: "refused", Policy: "OnIteration" }), "the refusal");
        qemu.Report("failed");
        DrivenPair.End(migration);
    }

    [Fact]
    public void A_migration_that_can_be_throttled_stays_so_whatever_policy_it_goes_by()
    {
        using var qemu = new ScriptedSource { Has = ["auto-converge"] };
        var migration = qemu.Start(Ramp with { Policy = Slow });
        migration.SetLimits(new MigrationLimits { Policy = MigrationPolicy.Find("Qemu") });
        migration.SetLimits(new MigrationLimits { Policy = Slow });
        for (var pass = 1; pass <= 3; pass++) Stall(qemu, migration, pass);
        Patience.Until(() => Throttle(qemu) == "50 99 50 1", "the rule");
        qemu.Report("failed");
        DrivenPair.End(migration);
    }

    [Fact]
    public void A_policy_with_Throttle_is_refused_where_auto_converge_is_off_whatever_is_allowed_since()
    {
        using var qemu = new ScriptedSource { Has = ["auto-converge"] };
        var migration = qemu.Start(Ramp with { Policy = null, MaxThrottle = 0, OnIterationTimeout = TimeSpan.FromMinutes(10) });
        migration.SetLimits(new MigrationLimits { MaxThrottle = 60 });
        var refusal = Assert.Throws<MigrationException>(() => migration.SetLimits(new MigrationLimits { Policy = Slow }));
        Assert.Equal(MigrationErrorId.UnsupportedByGuest, refusal.Id);
        qemu.Report("failed");
        DrivenPair.End(migration);
    }

    [Fact]
    public void A_limit_that_QEMU_refuses_is_that_of_no_policy()
    {
        using var qemu = new ScriptedSource();
        var migration = qemu.Start(Ramp with { Policy = MigrationPolicy.Find("Qemu") });
        Stall(qemu, migration, 1);
        qemu.Fake.Answer("migrate-set-parameters", () => throw new QmpRefusal("Not today."));
        Assert.Throws<MigrationException>(() => migration.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(2)) { Policy = MigrationPolicy.Find("DowntimeRamp") }));
        Assert.Equal(TimeSpan.FromSeconds(1), migration.GetState().Current.DowntimeLimit);
        qemu.Report("failed");
        DrivenPair.End(migration);
    }

    static readonly MigrationPolicy Slow = new()
    {
        Name = "slow", Rules = [new PolicyRule { Then = PolicyAction.Parse("Throttle to 50 %"), When = [PolicyCondition.Parse("Pass >= 2")] }],
    };

    static string Throttle(ScriptedSource qemu) => string.Join(
        " ", new[] { "cpu-throttle-initial", "cpu-throttle-increment", "max-cpu-throttle", "throttle-trigger-threshold" }.Select(name => Last(qemu, name)));

    [Fact]
    public void Answers_count_in_time_and_their_lack_is_told()
    {
        using var qemu = new ScriptedSource();
        var migration = qemu.Start(Ramp with { OnIterationTimeout = TimeSpan.FromMinutes(10) });
        Stall(qemu, migration, 1);
        Stall(qemu, migration, 2);
        Assert.True(migration.TryTakeIteration(out var pass, Patience.Limit));
        Assert.True(migration.Answer(pass, PolicyAction.Parse("DowntimeLimit to 400 ms")));
        Patience.Until(() => Last(qemu, "downtime-limit") == 400, "the answer");
        Assert.False(migration.Answer(pass, PolicyAction.Parse("DowntimeLimit to 500 ms")));
        Stall(qemu, migration, 3);
        Assert.True(migration.TryTakeIteration(out pass, Patience.Limit));
        Assert.True(migration.AnswerFailed(pass, "No idea."));
        Patience.Until(() => migration.GetState().Decisions.Any(one => one is { IsWarning: true, Error: MigrationErrorId.OnIterationFailed }), "the warning");
        Assert.Equal(400, Last(qemu, "downtime-limit"));
        qemu.Report("failed");
        DrivenPair.End(migration);
    }
}
