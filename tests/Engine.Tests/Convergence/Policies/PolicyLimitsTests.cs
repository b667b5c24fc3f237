using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>What a policy has set holds within what the user allows, whichever of the two changes.</summary>
public sealed class PolicyLimitsTests
{
    const long MiB = 1 << 20;

    static readonly MigrationParameters Allowed = new() { MaxDowntime = TimeSpan.FromMilliseconds(300), MaxBandwidth = 100 * MiB, Policy = Begins(0.1) };

    readonly PolicyLimits _limits = new();

    static MigrationPolicy Begins(double startDowntime, string then = "Bandwidth to 50 MB/s") =>
        new() { Name = "test", StartDowntime = startDowntime, Rules = [new PolicyRule { Then = PolicyAction.Parse(then), At = PolicyMoment.AnyTime }] };

    /// <summary>After a look of the policy.</summary>
    void Take(MigrationParameters allowed)
    {
        var engine = new PolicyEngine(allowed.Policy!, 1, PolicyBounds.Of(allowed));
        engine.Decide(new PolicyInput(TimeSpan.FromSeconds(1), 1, false, 60 * MiB, null, 80 * MiB, 0, null, 0, 10 * MiB, [0]), PolicyBounds.Of(allowed));
        _limits.Take(engine, allowed);
    }

    double Downtime(MigrationParameters allowed) => _limits.Downtime(allowed).TotalMilliseconds;

    [Fact]
    public void Where_nothing_was_set_the_users_limits_count()
    {
        Assert.Equal((300, 100 * MiB), (Downtime(Allowed), _limits.Bandwidth(Allowed)));
        Assert.Equal(0, _limits.Bandwidth(Allowed with { MaxBandwidth = 0 }));
    }

    [Fact]
    public void The_lower_one_counts()
    {
        Take(Allowed);
        Assert.Equal((30, 50 * MiB), (Downtime(Allowed), _limits.Bandwidth(Allowed)));
        Assert.Equal(50 * MiB, _limits.Bandwidth(Allowed with { MaxBandwidth = 0 }));
        var less = Allowed with { MaxDowntime = TimeSpan.FromMilliseconds(20), MaxBandwidth = 10 * MiB };
        Assert.Equal((20, 10 * MiB), (Downtime(less), _limits.Bandwidth(less)));
    }

    [Fact]
    public void What_is_only_observed_sets_nothing()
    {
        Take(Allowed with { ObserveOnly = true });
        Assert.Equal((300, 100 * MiB), (Downtime(Allowed), _limits.Bandwidth(Allowed)));
    }

    /// <summary>It holds no longer than is needed: a limit that the user lifts is lifted, where the policy says nothing of bandwidth.</summary>
    [Fact]
    public void A_bandwidth_that_is_the_users_goes_with_it()
    {
        Take(Allowed with { Policy = Begins(0.1, "Throttle to 10 %") });
        Assert.Equal(0, _limits.Bandwidth(Allowed with { MaxBandwidth = 0 }));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_switch_over_may_take_what_the_user_allows_until_a_pass_has_ended(bool isPassEnd)
    {
        Take(Allowed);
        _limits.SwitchOver(isPassEnd);
        Assert.Equal(300, Downtime(Allowed));
        _limits.EndPass();
        // Decided within a pass, it is for the end of that one.
        Assert.Equal(isPassEnd ? 30 : 300, Downtime(Allowed));
        _limits.EndPass();
        Assert.Equal(30, Downtime(Allowed));
    }

    [Fact]
    public void Another_policy_is_not_asked_to_switch_over()
    {
        Take(Allowed);
        _limits.SwitchOver(isPassEnd: false);
        _limits.Begin();
        Assert.Equal(30, Downtime(Allowed));
        _limits.EndPass();
        Assert.Equal(30, Downtime(Allowed));
    }

    [Fact]
    public void Until_another_policy_has_looked_its_first_limit_counts()
    {
        Take(Allowed);
        var after = Allowed with { MaxDowntime = TimeSpan.FromSeconds(2), Policy = Begins(0.5) };
        Assert.Equal(1000, _limits.DowntimeAfter(Allowed, after).TotalMilliseconds);
        // Nothing has changed yet.
        Assert.Equal(30, Downtime(Allowed));
        _limits.Change(Allowed, after);
        Assert.Equal(1000, Downtime(after));
        _limits.Change(after, after with { Policy = Begins(0.5), ObserveOnly = true });
        Assert.Equal(2000, Downtime(after));
    }

    [Fact]
    public void With_the_same_policy_its_limit_stays()
    {
        Take(Allowed);
        var after = Allowed with { MaxDowntime = TimeSpan.FromSeconds(2) };
        Assert.Equal(30, _limits.DowntimeAfter(Allowed, after).TotalMilliseconds);
        _limits.Change(Allowed, after);
        Assert.Equal(30, Downtime(after));
    }
}
