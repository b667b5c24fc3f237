using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;
using Xunit.Abstractions;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>Adaptive in virtual time: guests of 64 MiB over a link of 50 MiB/s.</summary>
public sealed class AdaptivePolicyTests(ITestOutputHelper output)
{
    const int Pages = 64 << 8;
    const double Bandwidth = 50 << 20;
    const double PagesPerSecond = Bandwidth / 4096;
    const double Limit = 60;

    static MigrationParameters Allowing(int? throttle = null, bool postcopy = false, int downtime = 300, TimeSpan? timeout = null) => new()
    {
        MaxThrottle = throttle, Postcopy = postcopy, MaxDowntime = TimeSpan.FromMilliseconds(downtime), Timeout = timeout,
    };

    static ModelOutcome Run(string policy, MigrationParameters parameters, int seed, params ModelCpu[] cpus) =>
        new ModelMigration(new ModelGuest(Pages, cpus, seed), MigrationPolicy.Find(policy), parameters, Bandwidth).Run(Limit);

    /// <summary>Times as fast as the link.</summary>
    static ModelCpu Writer(ModelWriting writing, double times, int share = 1, int of = 1) =>
        new(writing, times * PagesPerSecond, Pages / of * (share - 1), Pages / of);

    [Theory]
    [InlineData(ModelWriting.InTurn, 0.5)]
    [InlineData(ModelWriting.ByChance, 0.5)]
    [InlineData(ModelWriting.ByChance, 1)]
    [InlineData(ModelWriting.HotSpot, 1)]
    public void What_comes_to_its_end_by_itself_is_left_alone(ModelWriting writing, double times)
    {
        var free = Run("Qemu", Allowing(), 1, Writer(writing, times));
        var ours = Run("Adaptive", Allowing(throttle: 99, postcopy: true), 1, Writer(writing, times));
        Assert.True(free.Converged);
        Assert.Equal(0, ours.MostHeld);
        // But for what makes the stop shorter: AdaptiveStopTests.
        Assert.All(ours.Decisions, one => Assert.Equal("DowntimeLimit", one.What));
        if (ours.Decisions.Length == 0) Assert.Equal((free.Seconds, free.Downtime, free.Passes), (ours.Seconds, ours.Downtime, ours.Passes));
    }

    [Theory]
    [InlineData(1.6)]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(20)]
    public void A_guest_that_never_ends_is_held_back_once_and_strongly(double times)
    {
        Assert.False(Run("Qemu", Allowing(), 1, Writer(ModelWriting.InTurn, times)).Converged);
        var ours = Run("Adaptive", Allowing(throttle: 99), 1, Writer(ModelWriting.InTurn, times));
        Tell(ours);
        Assert.True(ours.Converged);
        Assert.InRange(ours.Downtime, 0, 0.3);
        // 64 MiB take 1.28 s: two passes to see it, and little more than one for the brake.
        Assert.InRange(ours.Seconds, 0, 5);
        Assert.InRange(ours.MostHeld, 0.1, 1.7);
        var first = ours.Decisions[0];
        Assert.Equal(("Throttle", "0 %"), (first.What, first.From));
        Assert.Contains("15 MB fit, and by the last passes", first.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(50)]
    [InlineData(80)]
    public void No_vCPU_is_held_back_by_more_than_is_permitted(int most)
    {
        var ours = Run("Adaptive", Allowing(throttle: most), 1, Writer(ModelWriting.InTurn, 1.08, 1, 2), Writer(ModelWriting.ByChance, 0.3, 2, 2));
        Tell(ours);
        Assert.True(ours.Converged);
        Assert.InRange(ours.MostThrottle, 1, most);
    }

    [Fact]
    public void Without_leave_nothing_is_done()
    {
        var ours = Run("Adaptive", Allowing(), 1, Writer(ModelWriting.InTurn, 3));
        Assert.False(ours.Converged);
        Assert.Empty(ours.Decisions);
        Assert.Equal(0, ours.MostHeld);
    }

    [Fact]
    public void Only_the_vCPU_that_writes_is_held_back()
    {
        var ours = Run("Adaptive", Allowing(throttle: 99), 1, Writer(ModelWriting.InTurn, 2, 1, 2), new ModelCpu(ModelWriting.InTurn, 20, Pages / 2, 200));
        Tell(ours);
        Assert.True(ours.Converged);
        Assert.Equal(0, ours.Held[1]);
        Assert.True(ours.Held[0] > 0);
    }

    [Fact]
    public void Where_it_may_only_go_over_it_does_so_once_passes_bring_nothing()
    {
        var ours = Run("Adaptive", Allowing(postcopy: true), 1, Writer(ModelWriting.InTurn, 2));
        Assert.True(ours.WentOver);
        Assert.Equal(3, ours.Passes);
        Assert.Equal(PolicyOrder.SwitchToPostcopy, Assert.Single(ours.Decisions).Order);
        Assert.Contains("may not be slowed down", ours.Decisions[0].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void The_cheaper_of_a_brake_and_postcopy_is_taken()
    {
        var both = Run("Adaptive", Allowing(throttle: 99, postcopy: true), 1, Writer(ModelWriting.InTurn, 2));
        Assert.True(both.Converged);
        Assert.True(both.MostThrottle > 0);
        // Half of its speed is still too much.
        both = Run("Adaptive", Allowing(throttle: 50, postcopy: true), 1, Writer(ModelWriting.InTurn, 4));
        Assert.True(both.WentOver);
        Assert.Equal(0, both.MostHeld);
    }

    [Fact]
    public void A_brake_that_brings_nothing_is_let_go()
    {
        var ours = Run("Adaptive", Allowing(throttle: 50), 1, Writer(ModelWriting.InTurn, 8));
        Tell(ours);
        Assert.False(ours.Converged);
        Assert.Contains(ours.Decisions, one => one.To == "0 %" && one.Reason.Contains("let go", StringComparison.Ordinal));
        // Auto-converge holds it back for all of the time.
        Assert.InRange(ours.MostHeld, 0.1, Run("AutoConverge", Allowing(throttle: 50), 1, Writer(ModelWriting.InTurn, 8)).MostHeld * 0.9);
    }

    [Fact]
    public void A_guest_that_becomes_quiet_is_let_go()
    {
        var bounds = new AdaptiveBounds(0.3, 60, false, double.PositiveInfinity);
        var (state, before) = (AdaptiveState.Begin, 0);
        AdaptiveChoice choice;
        do (state, choice) = AdaptiveRule.Decide(state, Ended(++before, 60, 200), bounds);
        while (choice.Act != AdaptiveAct.Brake);
        (state, choice) = AdaptiveRule.Decide(state, Ended(before + 1, 30, 4, state.Brake), bounds);
        Assert.Equal(AdaptiveAct.Release, choice.Act);
        Assert.Null(state.Brake);
        // Nothing is known of it by now.
        (_, choice) = AdaptiveRule.Decide(state, Ended(before + 2, 30, 200), bounds);
        Assert.Equal(AdaptiveAct.GoOn, choice.Act);
    }

    /// <summary>A pass of a second, MiB and MiB/s, with a brake or without.</summary>
    static AdaptivePass Ended(int pass, int pending, double rate, AdaptiveBrake? brake = null) => new(
        pass, pass, 1, (long)pending << 20, 15 << 20, Bandwidth, (long)Math.Min(pending, rate) << 20, [rate * (1 << 20)], [brake?.Most ?? 0], AwaitsMeans: false);

    [Fact]
    public void What_it_learns_is_of_the_brake_that_was_in_force()
    {
        var bounds = new AdaptiveBounds(0.3, 99, false, double.PositiveInfinity);
        var (state, before) = (AdaptiveState.Begin, 0);
        AdaptiveChoice choice;
        do (state, choice) = AdaptiveRule.Decide(state, Ended(++before, 60, 200), bounds);
        while (choice.Act != AdaptiveAct.Brake);
        // Somebody let it go: it writes what it always wrote.
        (state, _) = AdaptiveRule.Decide(state, Ended(before + 1, 60, 200), bounds);
        Assert.Equal((AdaptiveState.FirstMargin, 200 << 20), (state.Margin, state.Dirtying!.Rate));
    }

    [Fact]
    public void A_guest_that_somebody_holds_back_is_known_as_it_would_be_freely()
    {
        var bounds = new AdaptiveBounds(0.3, 99, false, double.PositiveInfinity);
        var (state, _) = AdaptiveRule.Decide(AdaptiveState.Begin, Ended(1, 60, 50) with { Throttles = [75] }, bounds);
        Assert.Equal(200 << 20, state.Dirtying!.Rate);
    }

    /// <summary>An engine whose guest is held back after the second pass.</summary>
    static (PolicyEngine Engine, PolicyBounds Bounds) Braking(MigrationParameters parameters, int rate = 200)
    {
        var bounds = PolicyBounds.Of(parameters);
        var engine = new PolicyEngine(MigrationPolicy.Find("Adaptive"), 1, bounds);
        engine.Begin(TimeSpan.Zero, 0);
        for (var pass = 0; pass < 3; pass++) engine.Decide(At(pass, 60, pass * rate), bounds);
        Assert.InRange(engine.Throttle, 1, 99);
        return (engine, bounds);
    }

    /// <summary>The end of a pass a second; MiB left, and written in all.</summary>
    static PolicyInput At(double pass, int pending, int written) => new(
        TimeSpan.FromSeconds(pass), (int)pass, pass > 0, (long)pending << 20, 60 << 20, Bandwidth, 15 << 20, TimeSpan.FromSeconds((pending << 20) / Bandwidth),
        (long)pending << 20, (long)pass * 60 << 20, [(long)written << 20]);

    [Fact]
    public void Once_it_is_let_go_the_limit_is_the_users_also_when_that_one_grows()
    {
        var parameters = Allowing(throttle: 99);
        var (engine, bounds) = Braking(parameters);
        Assert.True(engine.DowntimeLimit < parameters.MaxDowntime);
        engine.Decide(At(3, 30, 400), bounds);
        Assert.Equal((0, parameters.MaxDowntime), (engine.Throttle, engine.DowntimeLimit));
        engine.Decide(At(4, 30, 400), PolicyBounds.Of(Allowing(throttle: 99, downtime: 2000)));
        Assert.Equal(TimeSpan.FromSeconds(2), engine.DowntimeLimit);
    }

    [Fact]
    public void A_script_that_lets_it_go_does_not_teach_it_that_brakes_bring_nothing()
    {
        var (engine, bounds) = Braking(Allowing(throttle: 99), rate: 20);
        var planned = engine.Throttle;
        Assert.InRange(planned, 1, 96);
        engine.Obey([PolicyAction.Parse("Throttle to 0 %")], "", At(2, 60, 40), bounds);
        engine.Decide(At(3, 60, 60), bounds);
        Assert.Equal(planned, engine.Throttle);
    }

    [Fact]
    public void Where_a_policy_begins_with_less_it_switches_over_once_what_is_left_fits()
    {
        var bounds = PolicyBounds.Of(Allowing());
        var engine = new PolicyEngine(MigrationPolicy.Find("Adaptive") with { StartDowntime = 0.1 }, 1, bounds);
        engine.Begin(TimeSpan.Zero, 0);
        engine.Decide(At(0, 60, 0), bounds);
        Assert.Equal(PolicyOrder.SwitchOver, Assert.Single(engine.Decide(At(1, 10, 60), bounds)).Order);
        // A lower limit that somebody asked for is kept.
        engine.Obey([PolicyAction.Parse("DowntimeLimit to 50 ms")], "", At(2, 10, 60), bounds);
        Assert.Empty(engine.Decide(At(2, 10, 120), bounds));
    }

    [Fact]
    public void What_would_come_too_late_is_helped()
    {
        // It needs some passes.
        var free = Run("Qemu", Allowing(downtime: 30), 1, Writer(ModelWriting.InTurn, 0.6));
        Assert.Equal(0, Run("Adaptive", Allowing(throttle: 99, downtime: 30), 1, Writer(ModelWriting.InTurn, 0.6)).MostHeld);
        var ours = Run("Adaptive", Allowing(throttle: 99, downtime: 30, timeout: TimeSpan.FromSeconds(free.Seconds - 0.3)), 1, Writer(ModelWriting.InTurn, 0.6));
        Tell(ours);
        Assert.True(ours.Converged);
        Assert.InRange(ours.Seconds, 0, free.Seconds - 0.3);
        Assert.Contains("-Timeout is", ours.Decisions[0].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Means_that_have_not_shown_what_they_bring_are_waited_for()
    {
        var bounds = new AdaptiveBounds(0.3, 99, true, double.PositiveInfinity);
        var state = AdaptiveState.Begin;
        for (var pass = 1; pass <= 6; pass++)
        {
            (state, var choice) = AdaptiveRule.Decide(state, Ended(pass, 60, 100) with { AwaitsMeans = pass < 4 }, bounds);
            Assert.Equal(pass < 4 ? AdaptiveAct.GoOn : AdaptiveAct.Brake, choice.Act);
            if (choice.Act == AdaptiveAct.Brake) return;
        }
    }

    [Theory]
    [InlineData(300)]
    [InlineData(30)]
    [InlineData(5)]
    public void No_vCPU_sleeps_longer_at_a_time_than_the_guest_may_stand_still(int downtime)
    {
        var bounds = AdaptiveBounds.Of(PolicyBounds.Of(Allowing(throttle: 99, downtime: downtime)));
        var pass = new AdaptivePass(3, 3, 1, 60 << 20, (long)(Bandwidth * downtime / 1000), Bandwidth, 60 << 20, [500 << 20], [0], false);
        var brake = AdaptiveBraking.Plan(pass, DirtyingModel.Of(pass), 1, isCoarse: false, bounds);
        Assert.InRange(brake.Slice * brake.Most / (100 - brake.Most), 0.0001, downtime / 1000.0);
        Assert.InRange(brake.Slice, 0.001, 0.01);
    }

    /// <summary>Where it is not known which vCPU writes.</summary>
    [Fact]
    public void A_guest_that_can_only_be_held_back_as_a_whole_is()
    {
        var bounds = PolicyBounds.Of(Allowing(throttle: 96));
        var engine = new PolicyEngine(MigrationPolicy.Find("Adaptive"), 1, bounds);
        engine.Begin(TimeSpan.Zero, 0);
        for (var pass = 1; pass <= 3; pass++)
        {
            var input = new PolicyInput(
                TimeSpan.FromSeconds(1.2 * pass), pass, true, 64 << 20, 55 << 20, Bandwidth, 15 << 20, TimeSpan.FromSeconds((64 << 20) / Bandwidth), 64 << 20, pass * 64L << 20, []);
            if (engine.Decide(input, bounds) is [var first, var second])
            {
                Assert.Equal((2, "Throttle", "DowntimeLimit"), (pass, first.What, second.What));
                Assert.InRange(engine.Throttle, 50, 96);
                return;
            }
        }
        Assert.Fail("It was not held back.");
    }

    /// <summary>
    /// Seeded guests of all kinds under both policies with the same leave. Where auto-converge slows the guest down, ours ends in less time and costs the guest
    /// less, in the geometric mean; and wherever one of the others ends, ours does.
    /// </summary>
    [Fact]
    public void It_dominates()
    {
        var random = new Random(66);
        List<double> times = [], losses = [];
        List<string> failed = [];
        for (var round = 0; round < 30; round++)
        {
            var (parameters, cpus) = Draw(random);
            var (theirs, ours, free) = (Run("AutoConverge", parameters, round, cpus), Run("Adaptive", parameters, round, cpus), Run("Qemu", parameters, round, cpus));
            var story = $"{round}: {parameters.MaxThrottle} % {parameters.MaxDowntime.TotalMilliseconds} ms {string.Join("; ", cpus.Select(cpu => PolicyText.Format($"{cpu.Writing} {cpu.Rate / PagesPerSecond:0.00} in {cpu.Count}")))}";
            output.WriteLine(PolicyText.Format($"{story}: Qemu {free.Converged} {free.Seconds:0.0}, AutoConverge {theirs.Converged} {theirs.Seconds:0.0} held {theirs.MostHeld:0.00}, Adaptive {ours.Converged} {ours.Seconds:0.0} held {ours.MostHeld:0.00}"));
            Assert.InRange(ours.MostThrottle, 0, parameters.MaxThrottle!.Value);
            if (ours.Converged) Assert.InRange(ours.Downtime, 0, parameters.MaxDowntime.TotalSeconds + 1e-9);
            if (!ours.Converged && (theirs.Converged || free.Converged)) failed.Add(story);
            if (theirs.MostHeld == 0) continue;
            times.Add(ours.Seconds / theirs.Seconds);
            losses.Add(Math.Max(ours.MostHeld, 0.01) / theirs.MostHeld);
        }
        var (time, loss) = (Mean(times), Mean(losses));
        output.WriteLine(PolicyText.Format($"{times.Count} that auto-converge slows down: time {time:0.000}, held {loss:0.000}"));
        Assert.Empty(failed);
        Assert.True(times.Count >= 15);
        Assert.InRange(time, 0, 0.7);
        Assert.InRange(loss, 0, 0.5);
    }

    static (MigrationParameters Parameters, ModelCpu[] Cpus) Draw(Random random)
    {
        var count = random.Next(1, 4);
        var share = Pages / count;
        var cpus = Enumerable.Range(0, count).Select(at => new ModelCpu(
            random.GetItems(Enum.GetValues<ModelWriting>(), 1)[0], PagesPerSecond * Math.Pow(8, random.NextDouble()) * 0.5, at * share,
            (int)(share * (0.3 + (0.7 * random.NextDouble()))))).ToArray();
        return (Allowing(throttle: random.GetItems([99, 99, 80, 60], 1)[0], downtime: random.GetItems([300, 300, 100, 30], 1)[0]), cpus);
    }

    static double Mean(List<double> values) => Math.Exp(values.Average(Math.Log));

    void Tell(ModelOutcome outcome)
    {
        output.WriteLine(PolicyText.Format($"{outcome.Seconds:0.00} s, {outcome.Passes} passes, held {string.Join(", ", outcome.Held.Select(held => held.ToString("0.00")))} s, downtime {outcome.Downtime:0.000}"));
        foreach (var one in outcome.Decisions) output.WriteLine($"{one.What}: {one.From} -> {one.To}. {one.Reason}");
    }
}
