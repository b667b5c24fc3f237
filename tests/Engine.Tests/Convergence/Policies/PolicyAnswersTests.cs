using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>What an answer to a pass decides: the same as a rule would, on the same levers, and never beyond what is allowed.</summary>
public sealed class PolicyAnswersTests
{
    const long MiB = 1 << 20;

    static readonly PolicyBounds Bounds = PolicyBounds.Of(new MigrationParameters { MaxDowntime = TimeSpan.FromMilliseconds(300), MaxThrottle = 60, MaxBandwidth = 100 * MiB });

    static readonly PolicyInput Window = new(
        TimeSpan.FromSeconds(4), 4, IsPassEnd: false, 60 * MiB, 80 * MiB, 100 * MiB, 30 * MiB, TimeSpan.FromMilliseconds(600), 0, 400 * MiB, [0, 0]);

    static PolicyEngine Engine(double startDowntime = 1, params string[] rules) => new(
        new MigrationPolicy { Name = "test", StartDowntime = startDowntime, Rules = [.. rules.Select(rule => new PolicyRule { Then = PolicyAction.Parse(rule) })] }, 2, Bounds);

    static PolicyDecision[] Obey(PolicyEngine engine, params string[] actions) =>
        [.. engine.Obey(actions.Select(action => PolicyAction.Parse(action)), "Because.", Window, Bounds)];

    [Theory]
    [InlineData("Throttle to 50 %", "0 %", "50 %")]
    [InlineData("Throttle to 99 %", "0 %", "60 %")]
    [InlineData("DowntimeLimit to 60 ms", "30 ms", "60 ms")]
    [InlineData("DowntimeLimit times 100", "30 ms", "300 ms")]
    [InlineData("Bandwidth to 50 MB/s", "100 MB/s", "50 MB/s")]
    [InlineData("SwitchOver", "62914560 bytes left", "at the end of this pass")]
    [InlineData("Cancel", "running", "cancelled")]
    [InlineData("SwitchToPostcopy", "precopy", "precopy")]
    [InlineData("AutoConverge", "asked for", "refused")]
    [InlineData("DirtyLimit", "asked for", "refused")]
    public void An_action_is_done_within_the_bounds(string action, string from, string to)
    {
        var decision = Assert.Single(Obey(Engine(0.1), action));
        Assert.Equal((from, to), (decision.From, decision.To));
        Assert.StartsWith("Because.", decision.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Throttle to 0 %")]
    [InlineData("DowntimeLimit to 300 ms")]
    [InlineData("Bandwidth to 200 MB/s")]
    [InlineData("SwitchOver")]
    public void What_would_change_nothing_is_not_told(string action) => Assert.Empty(Obey(Engine(), action));

    [Fact]
    public void Several_are_done_in_their_order_and_on_what_the_rules_have_set()
    {
        var engine = Engine(1, "Throttle to 20 %");
        engine.Decide(Window with { IsPassEnd = true }, Bounds);
        Assert.Equal(["20 % 30 %", "30 % 60 %"], Obey(engine, "Throttle by 10 %", "Throttle times 3").Select(one => $"{one.From} {one.To}"));
        Assert.Equal([60, 60], engine.Throttles);
    }

    [Fact]
    public void The_guest_may_go_over_where_that_is_allowed()
    {
        var decisions = Engine().Obey([PolicyAction.Parse("SwitchToPostcopy")], "Because.", Window, Bounds with { MayGoOver = true });
        Assert.Equal(PolicyOrder.SwitchToPostcopy, Assert.Single(decisions).Order);
    }
}
