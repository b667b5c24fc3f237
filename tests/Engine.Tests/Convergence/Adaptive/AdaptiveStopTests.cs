using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;
using Xunit.Abstractions;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>Adaptive holds the switch-over back, in virtual time: guests of 64 MiB over a link of 50 MiB/s, which takes 1.28 s for them.</summary>
public sealed class AdaptiveStopTests(ITestOutputHelper output)
{
    const int Pages = 64 << 8;
    const double Bandwidth = 50 << 20;
    const double PagesPerSecond = Bandwidth / 4096;
    const double Limit = 60;

    // A look comes with the next step and the next window of the model.
    const double Look = 0.11;

    static MigrationParameters Allowing(int downtime = 100, TimeSpan? timeout = null) => new() { MaxDowntime = TimeSpan.FromMilliseconds(downtime), Timeout = timeout };

    static ModelOutcome Run(string policy, MigrationParameters parameters, int seed, params ModelCpu[] cpus) =>
        new ModelMigration(new ModelGuest(Pages, cpus, seed), MigrationPolicy.Find(policy), parameters, Bandwidth).Run(Limit);

    static ModelCpu Writer(ModelWriting writing, double times, int pages = Pages) => new(writing, times * PagesPerSecond, 0, pages);

    [Theory]
    [InlineData(ModelWriting.InTurn, 0, 100)]
    [InlineData(ModelWriting.InTurn, 0.1, 100)]
    [InlineData(ModelWriting.ByChance, 0.1, 100)]
    [InlineData(ModelWriting.ByChance, 0.2, 100)]
    [InlineData(ModelWriting.ByChance, 0.1, 200)]
    [InlineData(ModelWriting.HotSpot, 0.1, 100)]
    public void A_guest_that_writes_little_stands_for_half_as_long_or_less(ModelWriting writing, double times, int downtime)
    {
        var (free, ours) = (Run("Qemu", Allowing(downtime), 1, Writer(writing, times)), Run("Adaptive", Allowing(downtime), 1, Writer(writing, times)));
        Tell(free, ours);
        Assert.True(free.Converged && ours.Converged);
        Assert.InRange(ours.Downtime, 0, free.Downtime / 2);
        AssertCheap(free, ours);
        Assert.Equal((2, 0.0), (ours.Decisions.Length, ours.MostHeld));
        Assert.Equal(("DowntimeLimit", $"{downtime} ms"), (ours.Decisions[0].What, ours.Decisions[0].From));
        Assert.Contains("of the time that it would take", ours.Decisions[0].Reason, StringComparison.Ordinal);
        Assert.Equal(($"{downtime} ms", ours.Decisions[0].To), (ours.Decisions[1].To, ours.Decisions[1].From));
    }

    [Theory]
    // The next pass would leave nearly as much.
    [InlineData(ModelWriting.InTurn, 0.95, Pages, 300)]
    // The same pages again in each pass.
    [InlineData(ModelWriting.ByChance, 8, 900, 100)]
    // Short already.
    [InlineData(ModelWriting.ByChance, 0.5, Pages, 2)]
    public void Where_it_would_bring_little_it_is_as_with_Qemu(ModelWriting writing, double times, int pages, int downtime)
    {
        var (free, ours) = (Run("Qemu", Allowing(downtime), 1, Writer(writing, times, pages)), Run("Adaptive", Allowing(downtime), 1, Writer(writing, times, pages)));
        Tell(free, ours);
        Assert.True(free.Converged);
        Assert.Empty(ours.Decisions);
        Assert.Equal((free.Seconds, free.Downtime, free.Passes), (ours.Seconds, ours.Downtime, ours.Passes));
    }

    [Theory]
    [InlineData(0.6)]
    [InlineData(0.9)]
    public void A_guest_that_writes_more_from_then_on_is_let_go_at_once(double times)
    {
        var calm = Run("Adaptive", Allowing(), 1, Writer(ModelWriting.ByChance, 0.1));
        var begun = Run("Qemu", Allowing(), 1, Writer(ModelWriting.ByChance, 0.1)).Seconds;
        Assert.Equal(2, calm.Decisions.Length);
        var ours = Run("Adaptive", Allowing(), 1, Writer(ModelWriting.ByChance, 0.1) with { Later = (begun + 0.001, times * PagesPerSecond) });
        Tell(ours);
        Assert.True(ours.Converged);
        Assert.InRange(ours.Downtime, 0, 0.1);
        // Held back once, and never again.
        Assert.Equal(2, ours.Decisions.Length);
        Assert.Equal("100 ms", ours.Decisions[1].To);
    }

    [Fact]
    public void One_that_grows_beyond_the_link_is_no_longer_held_back()
    {
        var begun = Run("Qemu", Allowing(), 1, Writer(ModelWriting.ByChance, 0.1)).Seconds;
        var cpu = Writer(ModelWriting.ByChance, 0.1) with { Later = (begun + 0.001, 5 * PagesPerSecond) };
        var ours = new ModelMigration(new ModelGuest(Pages, [cpu], 1), MigrationPolicy.Find("Adaptive"), Allowing(), Bandwidth).Run(begun + 3);
        Tell(ours);
        Assert.Equal(2, ours.Decisions.Length);
        Assert.Equal("100 ms", ours.Decisions[1].To);
    }

    [Fact]
    public void The_time_allowed_is_no_time_to_wait()
    {
        var free = Run("Qemu", Allowing(), 1, Writer(ModelWriting.ByChance, 0.1));
        var late = Run("Adaptive", Allowing(timeout: TimeSpan.FromSeconds(free.Seconds + 0.02)), 1, Writer(ModelWriting.ByChance, 0.1));
        Assert.Equal((free.Seconds, free.Downtime), (late.Seconds, late.Downtime));
        Assert.Empty(late.Decisions);
        var early = Run("Adaptive", Allowing(timeout: TimeSpan.FromSeconds(free.Seconds + 1)), 1, Writer(ModelWriting.ByChance, 0.1));
        Assert.Equal(2, early.Decisions.Length);
    }

    [Fact]
    public void Where_passes_to_postcopy_are_counted_none_is_added()
    {
        var bounds = PolicyBounds.Of(new MigrationParameters { Mode = MigrationMode.Hybrid, Postcopy = true, PostcopyAfter = 3 });
        Assert.False(bounds.HoldsBack);
        Assert.Empty(Ended(new PolicyEngine(MigrationPolicy.Find("Adaptive"), 1, bounds), bounds, 1, 10));
        bounds = PolicyBounds.Of(new MigrationParameters());
        Assert.Empty(Ended(new PolicyEngine(MigrationPolicy.Find("Adaptive"), 1, bounds), bounds, 1, 10, stands: true));
        Assert.Single(Ended(new PolicyEngine(MigrationPolicy.Find("Adaptive"), 1, bounds), bounds, 1, 10));
    }

    [Fact]
    public void What_somebody_sets_meanwhile_counts()
    {
        var bounds = PolicyBounds.Of(new MigrationParameters());
        var engine = new PolicyEngine(MigrationPolicy.Find("Adaptive"), 1, bounds);
        Assert.Single(Ended(engine, bounds, 1, 10));
        // A script that wants it over.
        Assert.Equal(PolicyOrder.SwitchOver, Assert.Single(engine.Obey([PolicyAction.Parse("SwitchOver")], "", At(10.05, 1, false, 8, false), bounds)).Order);
        engine.Obey([PolicyAction.Parse("DowntimeLimit to 50 ms")], "", At(10.05, 1, false, 8, false), bounds);
        Assert.Empty(Ended(engine, bounds, 2, 8));
        Assert.Equal(50, engine.DowntimeLimit.TotalMilliseconds);
        Assert.Empty(Ended(engine, bounds, 3, 1));
        Assert.Equal(50, engine.DowntimeLimit.TotalMilliseconds);
    }

    /// <summary>As whole pages they would take too long; as differences they do not.</summary>
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1000, 1)]
    public void Pages_that_go_as_a_few_bytes_go_faster(int speed, int decisions)
    {
        var bounds = PolicyBounds.Of(new MigrationParameters { MaxBandwidth = (long)Bandwidth });
        var engine = new PolicyEngine(MigrationPolicy.Find("Adaptive"), 1, bounds);
        engine.Begin(TimeSpan.Zero, 0);
        engine.Decide(At(0, 1, false, 60, false), bounds);
        Assert.Equal(decisions, engine.Decide(At(1, 1, true, 14, false) with { PageSpeed = speed << 20 }, bounds).Count);
    }

    /// <summary>A pass of ten seconds, MiB left; the guest writes nothing.</summary>
    static IReadOnlyList<PolicyDecision> Ended(PolicyEngine engine, PolicyBounds bounds, int pass, int left, bool stands = false)
    {
        if (pass == 1) engine.Begin(TimeSpan.Zero, 0);
        if (pass == 1) engine.Decide(At(0, 1, false, 60, stands), bounds);
        return engine.Decide(At(10 * pass, pass, true, left, stands), bounds);
    }

    static PolicyInput At(double seconds, int pass, bool isPassEnd, int left, bool stands) => new(
        TimeSpan.FromSeconds(seconds), pass, isPassEnd, (long)left << 20, 0, Bandwidth, 15 << 20, TimeSpan.FromSeconds((left << 20) / Bandwidth), 0, 0, [0]) { GuestStands = stands };

    /// <summary>Seeded guests of all kinds: wherever one converges with Qemu it does with Adaptive, within the limit, and little later.</summary>
    [Fact]
    public void It_never_costs_more_than_it_may()
    {
        var random = new Random(91);
        var (held, shorter) = (0, 0);
        for (var round = 0; round < 60; round++)
        {
            var parameters = Allowing(random.Next(5, 400));
            ModelCpu[] cpus =
            [
                .. Enumerable.Range(0, random.Next(1, 3)).Select(cpu => new ModelCpu(
                    (ModelWriting)random.Next(3), 1.2 * Math.Pow(random.NextDouble(), 2) * PagesPerSecond, cpu * Pages / 2, random.Next(Pages / 16, Pages / 2))),
            ];
            var (free, ours) = (Run("Qemu", parameters, round, cpus), Run("Adaptive", parameters, round, cpus));
            if (!free.Converged) continue;
            Tell(free, ours);
            Assert.True(ours.Converged);
            Assert.InRange(ours.Downtime, 0, parameters.MaxDowntime.TotalSeconds + 1e-9);
            Assert.Equal(0, ours.MostThrottle);
            AssertCheap(free, ours);
            if (ours.Decisions.Length == 0) continue;
            held++;
            if (ours.Downtime <= 0.5 * free.Downtime) shorter++;
        }
        Assert.InRange(held, 15, 60);
        Assert.InRange((double)shorter / held, 0.9, 1);
    }

    static void AssertCheap(ModelOutcome free, ModelOutcome ours) =>
        Assert.InRange(ours.Seconds + ours.Downtime, 0, (1.125 * free.Seconds) + free.Downtime + Look);

    void Tell(params ReadOnlySpan<ModelOutcome> outcomes)
    {
        foreach (var one in outcomes)
        {
            output.WriteLine(PolicyText.Format($"{one.Converged} {one.Seconds:0.000} s, stop {1000 * one.Downtime:0.0} ms, {one.Passes} passes"));
            foreach (var decision in one.Decisions) output.WriteLine($"  {decision.What} {decision.From} -> {decision.To}: {decision.Reason}");
        }
    }
}
