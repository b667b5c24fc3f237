using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>The built-in policies against guests that are a row of numbers: what each pass leaves, over a link of 100 MiB/s.</summary>
public sealed class BuiltInPolicyTests
{
    const long MiB = 1 << 20;
    const double Bandwidth = 100 * MiB;
    static readonly PolicyBounds Bounds = PolicyBounds.Of(new MigrationParameters { MaxDowntime = TimeSpan.FromMilliseconds(600) });

    /// <summary>At the end of which pass it switches over, and by what limit; 0 when it never does.</summary>
    static (int Pass, TimeSpan Limit) Run(string name, Func<int, long> pending, PolicyBounds? bounds = null, int most = 60)
    {
        var engine = new PolicyEngine(MigrationPolicy.Find(name), 1, bounds ?? Bounds);
        var allowed = (bounds ?? Bounds).MaxDowntime;
        for (var pass = 1; pass <= most; pass++)
        {
            var left = pending(pass);
            var input = new PolicyInput(
                TimeSpan.FromSeconds(pass), pass, IsPassEnd: true, left, 90 * MiB, Bandwidth, SwitchoverRule.Threshold(Bandwidth, 0, engine.DowntimeLimit),
                TimeSpan.FromSeconds(left / Bandwidth), left, (long)(pass * Bandwidth), [0]);
            var limit = engine.Decide(input, bounds ?? Bounds).Any(one => one.Order == PolicyOrder.SwitchOver) ? allowed : engine.DowntimeLimit;
            Assert.True(limit <= allowed);
            if (SwitchoverRule.MaySwitchOver(left, SwitchoverRule.Threshold(Bandwidth, 0, limit))) return (pass, limit);
        }
        return (0, engine.DowntimeLimit);
    }

    [Fact]
    public void A_guest_that_converges_goes_as_soon_as_the_limit_of_each_allows()
    {
        static long Halving(int pass) => (800 * MiB) >> pass;
        Assert.Equal(4, Run("Qemu", Halving).Pass);
        Assert.Equal(4, Run("AutoConverge", Halving).Pass);
        // A third: 20 MiB.
        Assert.Equal(6, Run("StallAware", Halving).Pass);
        // A tenth: 6 MiB.
        Assert.Equal(8, Run("DowntimeRamp", Halving).Pass);
    }

    [Fact]
    public void Where_passes_bring_nothing_more_the_limit_is_raised_as_far_as_is_needed()
    {
        var (pass, limit) = Run("DowntimeRamp", _ => 25 * MiB);
        // 60 ms, and from the third pass on 90, 135, 202.5 and 303.75: 25 MiB take 250.
        Assert.Equal((6, 303.75), (pass, limit.TotalMilliseconds));
        (pass, limit) = Run("DowntimeRamp", _ => 61 * MiB);
        Assert.Equal((0, 600), (pass, limit.TotalMilliseconds));
    }

    [Fact]
    public void Where_they_stall_it_goes_at_a_minimum()
    {
        // It swings between 25 and 55 MiB and comes down no further; the third pass without progress is no minimum, the next one is.
        static long Swinging(int pass) => pass == 1 ? 400 * MiB : pass % 3 == 0 ? 25 * MiB : (55 - (pass % 3)) * MiB;
        Assert.Equal(2, Run("Qemu", Swinging).Pass);
        Assert.Equal(6, Run("StallAware", Swinging).Pass);
        Assert.Equal(25 * MiB, Swinging(6));
    }

    [Fact]
    public void One_that_saw_a_minimum_by_chance_does_not_wait_for_it_for_ever()
    {
        static long Once(int pass) => pass == 2 ? 61 * MiB / 2 : 50 * MiB;
        var (pass, _) = Run("StallAware", Once);
        // The minimum was in pass 2; twelve without progress follow.
        Assert.Equal(14, pass);
    }

    [Fact]
    public void None_goes_beyond_what_is_allowed()
    {
        foreach (var policy in MigrationPolicy.BuiltIn) Assert.Equal(0, Run(policy.Name, _ => 61 * MiB).Pass);
    }

    [Fact]
    public void AutoConverge_steps_at_every_second_period()
    {
        var engine = new PolicyEngine(MigrationPolicy.Find("AutoConverge"), 2, Bounds);
        engine.Begin(TimeSpan.Zero, 0);
        List<int> throttles = [];
        for (var pass = 1; pass <= 8; pass++)
        {
            // A pass of 0.6 s each: a period is two of them.
            engine.Decide(new PolicyInput(TimeSpan.FromSeconds(0.6 * pass), pass, true, 99 * MiB, null, 0, 0, null, 60 * MiB, pass * 60 * MiB, [0, 0]), Bounds);
            throttles.Add(engine.Throttle);
        }
        Assert.Equal([0, 0, 0, 20, 20, 20, 20, 30], throttles);
    }

    [Fact]
    public void DirtyLimit_slows_down_only_the_vCPU_that_writes()
    {
        var bounds = Bounds with { VcpuDirtyLimit = 100 * MiB };
        var engine = new PolicyEngine(MigrationPolicy.Find("DirtyLimit"), 2, bounds);
        engine.Begin(TimeSpan.Zero, 0);
        // 400 MiB/s, of one vCPU.
        static PolicyInput At(int seconds) => new(
            TimeSpan.FromSeconds(seconds * 1.1), seconds, true, 99 * MiB, null, 0, 0, null, 200 * MiB, seconds * 100 * MiB, [(long)(seconds * 440 * MiB), 0]);
        Assert.Empty(engine.Decide(At(1), bounds));
        var begun = Assert.Single(engine.Decide(At(2), bounds));
        Assert.Equal(("DirtyLimit", "off", "100 MB/s"), (begun.What, begun.From, begun.To));
        var slowed = Assert.Single(engine.Decide(At(3), bounds));
        Assert.Equal(("0, 0 %", "75, 0 %"), (slowed.From, slowed.To));
        Assert.Equal([75, 0], engine.Throttles);
        engine.Decide(At(4), bounds with { MaxThrottle = 40 });
        Assert.Equal([40, 0], engine.Throttles);
    }
}
