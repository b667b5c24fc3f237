using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>Policies in virtual time: what they decide, why, and never beyond what is allowed.</summary>
public sealed class PolicyEngineTests
{
    const long MiB = 1 << 20;
    static readonly PolicyBounds Bounds = PolicyBounds.Of(new MigrationParameters { MaxDowntime = TimeSpan.FromMilliseconds(300) });

    static MigrationPolicy Policy(params string[][] rules) => new MigrationPolicy
    {
        Name = "test",
        Rules = [.. rules.Select(rule => new PolicyRule { Then = PolicyAction.Parse(rule[0]), When = [.. rule[1..].Select(PolicyCondition.Parse)] })],
    }.Validate();

    /// <summary>The end of a pass of a second over a link of 100 MiB/s that left so much.</summary>
    static PolicyInput Pass(int pass, long pending, long dirtied = 0) => new(
        TimeSpan.FromSeconds(pass), pass, IsPassEnd: true, pending, 80 * MiB, 100 * MiB, 30 * MiB, TimeSpan.FromSeconds((double)pending / (100 * MiB)),
        dirtied, pass * 100 * MiB, [0, 0]);

    static PolicyDecision? Only(PolicyEngine engine, PolicyInput input, PolicyBounds? bounds = null)
    {
        var decisions = engine.Decide(input, bounds ?? Bounds);
        return decisions.Count == 0 ? null : Assert.Single(decisions);
    }

    [Theory]
    [InlineData("Pass >= 4", true)]
    [InlineData("Pass > 4", false)]
    [InlineData("Elapsed < 5 s", true)]
    [InlineData("Elapsed <= 4000 ms", true)]
    [InlineData("Elapsed < 4 s", false)]
    [InlineData("DirtyRate >= 80 MB/s", true)]
    [InlineData("Bandwidth > 100 MB/s", false)]
    [InlineData("DirtyRatio >= 0.8", true)]
    [InlineData("DirtyRatio > 0.8", false)]
    [InlineData("Pending <= 60 MB", true)]
    [InlineData("PendingRatio >= 2", true)]
    [InlineData("PendingRatio > 2", false)]
    [InlineData("EstimatedDowntime >= 600 ms", true)]
    [InlineData("DowntimeLimit < 300 ms", false)]
    [InlineData("StalledPasses >= 0", true)]
    [InlineData("StalledPasses >= 1", false)]
    [InlineData("PendingToLeast <= 1", true)]
    [InlineData("Throttle <= 0 %", true)]
    public void A_condition_is_met_by_its_figure(string condition, bool isMet)
    {
        var engine = new PolicyEngine(Policy(["Throttle to 50 %", condition]), 2, Bounds);
        Assert.Equal(isMet, Only(engine, Pass(4, 60 * MiB)) is not null);
    }

    [Fact]
    public void A_figure_that_is_not_known_meets_nothing()
    {
        var unknown = Pass(1, 60 * MiB) with { DirtyRate = null, Bandwidth = 0, Threshold = 0, EstimatedDowntime = null, IsPassEnd = false };
        foreach (var figure in new[] { "DirtyRate", "Bandwidth", "DirtyRatio", "PendingRatio", "EstimatedDowntime", "PendingToLeast" })
        {
            var policy = Policy(["Throttle to 50 %", $"{figure} >= 0"]);
            policy = policy with { Rules = [policy.Rules[0] with { At = PolicyMoment.AnyTime }] };
            Assert.Null(Only(new PolicyEngine(policy, 2, Bounds), unknown));
        }
    }

    [Fact]
    public void All_conditions_have_to_hold_and_the_reason_gives_their_figures()
    {
        var engine = new PolicyEngine(Policy(["Throttle by 10 %", "Pass >= 2", "DirtyRatio > 0.5"]), 2, Bounds);
        Assert.Null(Only(engine, Pass(1, 60 * MiB)));
        var decision = Only(engine, Pass(2, 60 * MiB));
        Assert.Equal(("Throttle", "0 %", "10 %"), (decision!.Value.What, decision.Value.From, decision.Value.To));
        Assert.Equal("Pass 2 (>= 2), DirtyRatio 0.8 (> 0.5).", decision.Value.Reason);
        Assert.Equal([10, 10], engine.Throttles);
    }

    [Fact]
    public void A_rule_acts_once_a_pass_and_one_that_is_for_once_once()
    {
        var policy = Policy(["Throttle by 10 %", "Pass >= 1"], ["Throttle by 1 %", "Pass >= 1"]);
        policy = policy with { Rules = [policy.Rules[0] with { At = PolicyMoment.AnyTime }, policy.Rules[1] with { Once = true }] };
        var engine = new PolicyEngine(policy, 1, Bounds);
        var between = Pass(1, MiB) with { IsPassEnd = false };
        Assert.Equal("10 %", Only(engine, between)!.Value.To);
        Assert.Null(Only(engine, between));
        Assert.Equal("11 %", Only(engine, Pass(1, MiB))!.Value.To);
        Assert.Equal("21 %", Only(engine, Pass(2, MiB))!.Value.To);
    }

    [Fact]
    public void Whatever_the_rules_say_the_bounds_hold()
    {
        string[] actions = ["Throttle to 99 %", "Throttle by 60 %", "Throttle times 3", "Throttle by -70 %", "DowntimeLimit times 9", "DowntimeLimit to 1 h",
            "DowntimeLimit by 1 s", "DowntimeLimit by -10 s", "Bandwidth times 4", "Bandwidth to 9 GB/s", "Bandwidth by -900 MB/s", "AutoConverge", "Adaptive", "SwitchOver", "SwitchToPostcopy"];
        var random = new Random(17);
        for (var round = 0; round < 300; round++)
        {
            var rules = random.GetItems(actions, 6).Where((action, at) => action is not ("AutoConverge" or "Adaptive") || at == 0).Select(action => new[] { action }).ToArray();
            var engine = new PolicyEngine(Policy(rules) with { StartDowntime = 0.01 + (0.99 * random.NextDouble()) }, 3, Bounds);
            for (var pass = 1; pass < 20; pass++)
            {
                var bounds = Bounds with
                {
                    MaxDowntime = TimeSpan.FromMilliseconds(random.Next(1, 1000)), MaxThrottle = random.Next(0, 100), MaxBandwidth = random.Next(0, 3) * 50 * MiB,
                    AdaptiveThrottle = random.Next(0, 100),
                };
                foreach (var decision in engine.Decide(Pass(pass, random.NextInt64(200 * MiB), random.NextInt64(200 * MiB)), bounds))
                {
                    Assert.NotEqual(PolicyOrder.SwitchToPostcopy, decision.Order);
                    Assert.NotEqual("", decision.Reason);
                }
                Assert.InRange(engine.DowntimeLimit, TimeSpan.FromMilliseconds(1), bounds.MaxDowntime);
                Assert.All(engine.Throttles, percent => Assert.InRange(percent, 0, bounds.MaxThrottle));
                if (bounds.MaxBandwidth > 0) Assert.InRange(engine.Bandwidth, 1, bounds.MaxBandwidth);
                else Assert.InRange(engine.Bandwidth, 0, long.MaxValue);
            }
        }
    }

    [Fact]
    public void It_switches_over_only_where_what_is_left_fits_what_the_user_allows()
    {
        var engine = new PolicyEngine(Policy(["SwitchOver"]) with { StartDowntime = 0.1 }, 1, Bounds);
        Assert.Null(Only(engine, Pass(1, 31 * MiB)));
        Assert.Equal(PolicyOrder.SwitchOver, Only(engine, Pass(2, 30 * MiB))!.Value.Order);
        // Below the limit that counts anyway there is nothing to decide.
        Assert.Null(Only(engine, Pass(3, 3 * MiB)));
    }

    [Fact]
    public void Postcopy_is_for_those_who_may()
    {
        var engine = new PolicyEngine(Policy(["SwitchToPostcopy", "Pass >= 2"]), 1, Bounds);
        var refused = Only(engine, Pass(2, MiB))!.Value;
        Assert.Equal((PolicyOrder.None, "precopy"), (refused.Order, refused.To));
        Assert.Contains("-Postcopy", refused.Reason, StringComparison.Ordinal);
        Assert.Null(Only(engine, Pass(3, MiB)));
        engine = new PolicyEngine(Policy(["SwitchToPostcopy", "Pass >= 2"]), 1, Bounds);
        Assert.Equal(PolicyOrder.SwitchToPostcopy, Only(engine, Pass(2, MiB), Bounds with { MayGoOver = true })!.Value.Order);
    }

    [Fact]
    public void Less_allowed_binds_at_once()
    {
        var engine = new PolicyEngine(Policy(["Throttle to 80 %", "Pass < 2"]), 2, Bounds);
        Only(engine, Pass(1, MiB));
        Assert.Null(Only(engine, Pass(2, MiB), Bounds with { MaxThrottle = 30, MaxDowntime = TimeSpan.FromMilliseconds(50) }));
        Assert.Equal([30, 30], engine.Throttles);
        Assert.Equal(TimeSpan.FromMilliseconds(50), engine.DowntimeLimit);
    }
}
