using PsMigrate.Engine.Convergence;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>When a switch-over is held back, in figures. MiB, MiB/s and seconds.</summary>
public sealed class ShorterStopTests
{
    const double MiB = 1 << 20;

    // All that is written is distinct.
    static StopFigures Figures(double elapsed, double left, double rate, double bandwidth = 200, bool isCapped = true, double set = double.PositiveInfinity) =>
        new(elapsed, left * MiB, bandwidth * MiB, StopFigures.LinkOf(bandwidth * MiB, isCapped), isCapped, new DirtyingModel([rate * MiB], set * MiB));

    [Theory]
    // Nothing is written: what is left of the first pass goes.
    [InlineData(6, 60, 0, true)]
    // Two passes that shrink fast.
    [InlineData(6, 60, 20, true)]
    // A tenth of the time is too short for as much.
    [InlineData(1, 60, 0, false)]
    // For half of it it is enough.
    [InlineData(2.1, 60, 0, true)]
    [InlineData(2.1, 60, 180, false)]
    [InlineData(60, 60, 250, false)]
    [InlineData(60, 2, 0, false)]
    [InlineData(60, 0, 0, false)]
    public void It_is_held_back_where_little_time_makes_the_stop_half_as_long(double elapsed, double left, double rate, bool holds)
    {
        var now = Figures(elapsed, left, rate);
        var plan = ShorterStop.Begin(now, double.PositiveInfinity);
        Assert.Equal(holds, plan is not null);
        if (plan is { } one) AssertWithin(one, now);
    }

    [Fact]
    public void Pages_that_are_written_again_and_again_are_not_waited_for()
    {
        // All of 20 MiB are dirty again in a fiftieth of a second; over the long pass they were few.
        Assert.Null(ShorterStop.Begin(Figures(60, 20, 1000, set: 20), double.PositiveInfinity));
        Assert.Null(ShorterStop.Begin(Figures(60, 25, 1000, set: 20), double.PositiveInfinity));
        // Beside them there is enough that is written seldom.
        Assert.NotNull(ShorterStop.Begin(Figures(60, 60, 1000, set: 20), double.PositiveInfinity));
    }

    [Fact]
    public void The_time_allowed_is_kept()
    {
        var now = Figures(6, 60, 0);
        Assert.NotNull(ShorterStop.Begin(now, 8));
        Assert.Null(ShorterStop.Begin(now, 6.5));
        Assert.Null(ShorterStop.Begin(now, 6));
    }

    [Fact]
    public void A_link_without_a_limit_sends_now_what_it_would_send_then()
    {
        // Of the 0.3 s that it takes all would be the stop.
        var now = Figures(1, 60, 20, isCapped: false);
        var plan = ShorterStop.Begin(now, double.PositiveInfinity);
        Assert.NotNull(plan);
        AssertWithin(plan.Value, now);
        Assert.InRange(now.Stop(plan.Value.Left), 0, 0.01);
    }

    [Fact]
    public void A_guest_that_would_be_stopped_at_once_with_most_of_its_memory_is_not()
    {
        // In the first window; a tenth of the time so far would be nothing.
        var now = Figures(0.17, 630, 200, bandwidth: 2300, isCapped: false);
        var plan = ShorterStop.Begin(now, double.PositiveInfinity);
        Assert.NotNull(plan);
        AssertWithin(plan.Value, now);
        Assert.InRange(now.Stop(plan.Value.Left), 0, 0.1);
    }

    [Fact]
    public void A_look_that_finds_more_than_was_expected_ends_it()
    {
        var now = Figures(6, 60, 20);
        var plan = ShorterStop.Begin(now, double.PositiveInfinity)!.Value;
        var next = now.Next(plan.Unsent);
        Assert.NotNull(ShorterStop.GoOn(plan, next));
        Assert.Null(ShorterStop.GoOn(plan, next with { Pending = 1.3 * plan.Expected }));
        Assert.NotNull(ShorterStop.GoOn(plan, next with { Pending = 1.3 * plan.Expected }, isTrial: true));
        Assert.Null(ShorterStop.GoOn(plan, next with { Pending = 1.3 * plan.Expected, Elapsed = plan.Until }, isTrial: true));
        Assert.Null(ShorterStop.GoOn(plan, next with { Elapsed = plan.Until }));
        Assert.Null(ShorterStop.GoOn(plan, next with { Dirtying = new DirtyingModel([220 * MiB], double.PositiveInfinity) }));
    }

    [Fact]
    public void In_between_it_ends_when_it_takes_too_long_or_the_guest_writes_more()
    {
        var now = Figures(6, 60, 20);
        var plan = ShorterStop.Begin(now, double.PositiveInfinity)!.Value;
        Assert.False(ShorterStop.IsLate(plan, now));
        Assert.True(ShorterStop.IsLate(plan, now with { Bandwidth = 20 * MiB }));
        Assert.True(ShorterStop.IsLate(plan, now with { Elapsed = plan.Until }));
        Assert.False(ShorterStop.IsMissed(plan, 2 * MiB, 20 * MiB, 0.1));
        Assert.True(ShorterStop.IsMissed(plan, 20 * MiB, 20 * MiB, 0.1));
    }

    [Fact]
    public void No_plan_is_beyond_its_bounds()
    {
        var random = new Random(90);
        var held = 0;
        for (var round = 0; round < 2000; round++)
        {
            var now = Figures(
                0.05 * Math.Exp(7 * random.NextDouble()), 200 * random.NextDouble(), 300 * Math.Pow(random.NextDouble(), 3), 20 + (1000 * random.NextDouble()),
                random.Next(2) == 0, random.Next(2) == 0 ? double.PositiveInfinity : 100 * random.NextDouble());
            if (ShorterStop.Begin(now, double.PositiveInfinity) is not { } plan) continue;
            held++;
            AssertWithin(plan, now);
        }
        Assert.InRange(held, 200, 1900);
    }

    /// <summary>Gone through step by step it ends as the plan says: in time, and with so little left.</summary>
    static void AssertWithin(StopPlan plan, StopFigures now)
    {
        var stop = now.Stop(now.Pending);
        Assert.InRange(now.Stop(plan.Left), 0, (stop / 2) + 1e-9);
        Assert.InRange(plan.End - now.Elapsed + now.Stop(plan.Left) - stop, double.NegativeInfinity, (0.1 * (now.Elapsed + stop)) + 1e-9);
        Assert.InRange(plan.Until, plan.End - 1e-9, (1.125 * (now.Elapsed + stop)) + 1e-9);
        for (var pass = 0; now.Pending > plan.Left; pass++)
        {
            Assert.InRange(pass, 0, 100);
            now = now.Next(plan.Unsent);
        }
        Assert.Equal(plan.End, now.Elapsed, 6);
    }
}
