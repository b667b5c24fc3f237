using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>How far a migration is: over guests of every sort, in virtual time.</summary>
public sealed class ProgressEstimateTests
{
    // 16 MiB over 4 MiB/s: the first pass takes four seconds.
    const int Pages = 4096;
    const double Bandwidth = 4 << 20;
    const double PagesPerSecond = Bandwidth / VirtualMigration.PageSize;
    const double Downtime = 0.05;
    const double Patience = 120;

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 60)];

    /// <summary>All sorts of guests, some of which never end.</summary>
    static VirtualGuest AnyGuest(int seed)
    {
        var random = new Random(seed);
        var set = (int)(Pages * (0.05 + (0.95 * random.NextDouble())));
        var rate = PagesPerSecond * 1.5 * random.NextDouble();
        return (seed % 6) switch
        {
            0 => VirtualGuest.Idle,
            1 => VirtualGuest.Uniform(set, rate),
            2 => VirtualGuest.Zipf(set, rate),
            3 => VirtualGuest.Walking(set, rate),
            4 => VirtualGuest.Bursty(set, rate, 0.5 + random.NextDouble(), 0.5),
            _ => VirtualGuest.Uniform(set, rate).From(10 * random.NextDouble(), PagesPerSecond * random.NextDouble()),
        };
    }

    static VirtualMigration Of(VirtualGuest guest, int seed = 1, bool isOurs = true, MigrationPromise? promise = null) =>
        new(guest, Pages, Bandwidth, Downtime, seed, isOurs, promise);

    [Theory]
    [MemberData(nameof(Seeds))]
    public void It_never_goes_back_and_never_reaches_100_before_the_end(int seed)
    {
        foreach (var isOurs in new[] { true, false })
        {
            var run = Of(AnyGuest(seed), seed, isOurs);
            run.Run(Patience);
            Assert.NotEmpty(run.Told);
            var percents = run.Told.Select(told => told.Progress.Percent).OfType<int>().ToArray();
            Assert.Equal(percents.Order(), percents);
            Assert.All(percents, percent => Assert.InRange(percent, 0, 99));
            Assert.All(run.Told, told => Assert.Equal(told.Progress.Percent is null, told.Progress.Remaining is null));
            Assert.All(run.Told, told => Assert.False(told.Progress.Remaining < TimeSpan.Zero));
            Assert.Equal(100, run.Estimate.Look(new ProgressInput { Elapsed = TimeSpan.FromSeconds(Patience), Status = MigrationStatus.Completed }).Percent);
        }
    }

    [Fact]
    public void It_does_not_stand_before_the_end()
    {
        var ended = 0;
        foreach (var seed in Enumerable.Range(1, 60))
        {
            var run = Of(AnyGuest(seed), seed);
            if (run.Run(Patience) is not { } end) continue;
            ended++;
            // A hundredth of the time is one per cent: some more, for the guest is not quite what was thought.
            var at99 = run.Told.Where(told => told.Progress.Percent == 99).Select(told => end - told.Time).DefaultIfEmpty(0).Max();
            Assert.True(at99 < 0.2 * end, $"Guest {seed} stood at 99 for {at99:0.0} of {end:0.0} s.");
        }
        Assert.InRange(ended, 20, 59);
    }

    [Theory]
    [InlineData(true, 0.15)]
    [InlineData(false, 0.3)]
    public void What_remains_is_right_in_the_median(bool isOurs, double most)
    {
        var errors = new List<double>();
        foreach (var seed in Enumerable.Range(1, 60))
        {
            var run = Of(AnyGuest(seed), seed, isOurs);
            if (run.Run(Patience) is { } end) errors.AddRange(Errors(run, end));
        }
        Assert.True(errors.Count > 500, $"{errors.Count} figures");
        Assert.InRange(errors.Order().ElementAt(errors.Count / 2), 0, most);
    }

    [Fact]
    public void A_forecast_makes_the_first_pass_right()
    {
        var (with, without) = (new List<double>(), new List<double>());
        foreach (var seed in Enumerable.Range(1, 20))
        {
            var random = new Random(seed);
            var (set, rate) = (Pages * (0.3 + (0.7 * random.NextDouble())), PagesPerSecond * 0.8 * random.NextDouble());
            var promise = Promise(set / 256, rate / 256);
            if (promise.TotalTime is null) continue;
            with.AddRange(InFirstPass(promise));
            without.AddRange(InFirstPass(null));

            IEnumerable<double> InFirstPass(MigrationPromise? forecast)
            {
                var run = Of(VirtualGuest.Uniform((int)set, rate), seed, isOurs: false, forecast);
                var end = run.Run(Patience);
                return end is null ? [] : Errors(run, end.Value).Take((int)(10 * Pages / PagesPerSecond));
            }
        }
        var (ours, plain) = (with.Order().ElementAt(with.Count / 2), without.Order().ElementAt(without.Count / 2));
        Assert.InRange(ours, 0, 0.15);
        Assert.True(ours < plain, $"{ours:0.000} with a forecast, {plain:0.000} without");
    }

    [Fact]
    public void A_quiet_guest_goes_by_time()
    {
        var run = Of(VirtualGuest.Idle);
        var end = run.Run(Patience)!.Value;
        Assert.Equal(1, run.Passes);
        foreach (var told in run.Told.Skip(2)) Assert.InRange(told.Progress.Percent!.Value, (100 * told.Time / end) - 4, (100 * told.Time / end) + 4);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Where_it_does_not_end_there_is_no_number(bool isOurs)
    {
        var run = Of(VirtualGuest.Uniform(Pages, 3 * PagesPerSecond), isOurs: isOurs);
        Assert.Null(run.Run(60));
        // One or two passes of a few seconds show it.
        var late = run.Told.Where(told => told.Time > 15).ToArray();
        Assert.NotEmpty(late);
        Assert.All(late, told => Assert.Equal(default, told.Progress));
    }

    [Fact]
    public void A_guest_that_becomes_quiet_has_an_estimate_again_and_does_not_go_back()
    {
        var run = Of(VirtualGuest.Uniform(Pages, 3 * PagesPerSecond).From(20, PagesPerSecond / 10));
        var end = run.Run(Patience)!.Value;
        Assert.Contains(run.Told, told => told.Time is > 12 and < 20 && told.Progress.Percent is null);
        var after = run.Told.Where(told => told.Time > 20 + ((end - 20) / 2)).ToArray();
        Assert.Contains(after, told => told.Progress.Remaining is not null);
        var percents = run.Told.Select(told => told.Progress.Percent).OfType<int>().ToArray();
        Assert.Equal(percents.Order(), percents);
    }

    [Fact]
    public void A_guest_that_becomes_busy_has_more_time_left_and_none_where_it_does_not_end()
    {
        var run = Of(VirtualGuest.Uniform(Pages, PagesPerSecond / 2).From(3, 3 * PagesPerSecond));
        Assert.Null(run.Run(60));
        Assert.Contains(run.Told, told => told.Time < 3 && told.Progress.Remaining is not null);
        Assert.All(run.Told.Where(told => told.Time > 20), told => Assert.Equal(default, told.Progress));
    }

    [Fact]
    public void A_time_limit_that_ends_it_is_an_estimate_where_there_is_none()
    {
        var run = new VirtualMigration(VirtualGuest.Uniform(Pages, 3 * PagesPerSecond), Pages, Bandwidth, Downtime, 1) { EndsBy = TimeSpan.FromSeconds(40) };
        Assert.Null(run.Run(39));
        Assert.All(run.Told.Where(told => told.Time > 15), told => Assert.Equal(40 - told.Time, told.Progress.Remaining!.Value.TotalSeconds, 0.01));
        Assert.InRange(run.Told[^1].Progress.Percent!.Value, 95, 99);
    }

    [Fact]
    public void In_postcopy_it_goes_by_what_is_left_to_come()
    {
        var estimate = new ProgressEstimate(null);
        var percents = new List<int>();
        for (var second = 1; second < 10; second++)
        {
            var told = estimate.Look(new ProgressInput
            {
                Elapsed = TimeSpan.FromSeconds(second), Status = MigrationStatus.PostcopyActive, Pass = 2, PassElapsed = TimeSpan.FromSeconds(second),
                Pending = (10 - second) * 100e6, Bandwidth = 100e6, Threshold = 0,
            });
            Assert.Equal(10 - second, told.Remaining!.Value.TotalSeconds, 0.001);
            percents.Add(told.Percent!.Value);
        }
        Assert.Equal([10, 20, 30, 40, 50, 60, 70, 80, 90], percents);
    }

    [Fact]
    public void One_that_goes_over_after_a_pass_sends_what_that_leaves_once_more()
    {
        var estimate = new ProgressEstimate(new MigrationPromise { Verdict = ForecastVerdict.WillNotConverge, Passes = [new ForecastPass(1, TimeSpan.FromSeconds(10), 0, 500_000_000)] });
        var input = new ProgressInput
        {
            Elapsed = TimeSpan.FromSeconds(5), Status = MigrationStatus.Active, Pass = 1, PassElapsed = TimeSpan.FromSeconds(5), Pending = 500e6, Bandwidth = 100e6,
        };
        Assert.Equal(10, estimate.Look(input with { GoesOverAfter = 1 }).Remaining!.Value.TotalSeconds, 0.1);
        Assert.Equal(5, estimate.Look(input with { GoesOverAfter = 0 }).Remaining!.Value.TotalSeconds, 0.1);
    }

    [Fact]
    public void Pages_that_go_again_as_a_part_of_their_size_take_that_part_of_the_time()
    {
        // Straight, as fast as the link: as whole pages it never ends.
        var estimate = new ProgressEstimate(null);
        estimate.EndPass(TimeSpan.FromSeconds(1), 100e6);
        var input = new ProgressInput
        {
            Elapsed = TimeSpan.FromSeconds(2), Status = MigrationStatus.Active, Pass = 2, Pending = 100e6, Bandwidth = 100e6, Threshold = 1e6,
        };
        Assert.Null(estimate.Look(input).Remaining);
        var small = estimate.Look(input with { AgainShare = 0.1 }).Remaining;
        Assert.InRange(small!.Value.TotalSeconds, 0.1, 0.12);
        // Where pages count, more of them may be left.
        var counted = estimate.Look(input with { AgainShare = 0.1, MaxDowntime = TimeSpan.FromMilliseconds(50) }).Remaining;
        Assert.InRange(counted!.Value.TotalSeconds, 0.1, small.Value.TotalSeconds);
    }

    [Fact]
    public void What_was_promised_of_pages_that_go_again_counts_until_some_have()
    {
        var estimate = new ProgressEstimate(new MigrationPromise
        {
            Verdict = ForecastVerdict.Converges,
            Passes = [new ForecastPass(1, TimeSpan.FromSeconds(1), 100_000_000, 100_000_000), new ForecastPass(2, TimeSpan.FromSeconds(0.1), 10_000_000, 0)],
        });
        var input = new ProgressInput
        {
            Elapsed = TimeSpan.FromSeconds(1), Status = MigrationStatus.Active, Pass = 1, PassElapsed = TimeSpan.FromSeconds(1), Bandwidth = 100e6, Threshold = 1e6, AgainShare = 0.9,
        };
        Assert.InRange(estimate.Look(input).Remaining!.Value.TotalSeconds, 0.1, 0.12);
        Assert.Null(estimate.Look(input with { Pass = 2, PassElapsed = TimeSpan.Zero, Pending = 100e6, AgainShare = 1 }).Remaining);
    }

    [Fact]
    public void Whoever_is_waited_for_has_no_estimate()
    {
        var estimate = new ProgressEstimate(null);
        foreach (var status in new[] { MigrationStatus.Setup, MigrationStatus.PreSwitchover, MigrationStatus.PostcopyPaused, MigrationStatus.Failed, MigrationStatus.Cancelled })
            Assert.Equal(default, estimate.Look(new ProgressInput { Elapsed = TimeSpan.FromSeconds(1), Status = status, Pending = 5, Bandwidth = 1 }));
        estimate = new ProgressEstimate(null);
        Assert.Equal(default, estimate.Look(new ProgressInput { Elapsed = TimeSpan.FromSeconds(1), Status = MigrationStatus.Active, Pass = 1, Pending = 5 }));
    }

    [Fact]
    public void While_the_guest_stands_the_bar_is_where_it_was()
    {
        var estimate = new ProgressEstimate(null);
        var input = new ProgressInput { Elapsed = TimeSpan.FromSeconds(1), Status = MigrationStatus.PostcopyActive, Pending = 1e6, Bandwidth = 1e6 };
        Assert.Equal(50, estimate.Look(input).Percent);
        Assert.Equal(new MigrationProgress(50, null), estimate.Look(input with { Elapsed = TimeSpan.FromSeconds(100), Status = MigrationStatus.Device }));
    }

    /// <summary>By what was left, of all figures but the last ones, of moments.</summary>
    static IEnumerable<double> Errors(VirtualMigration run, double end) =>
        from told in run.Told
        where end - told.Time > 0.05 * end && told.Progress.Remaining is not null
        select Math.Abs(told.Progress.Remaining!.Value.TotalSeconds - (end - told.Time)) / (end - told.Time);

    static MigrationPromise Promise(double set, double rate) => Forecaster.Forecast(new ForecastRequest
    {
        Name = "", HostName = "", Destination = "", Curve = Curves.Random(Pages / 256.0, set, rate), Sender = SenderModel.Qemu,
        Bandwidth = new KnownBandwidth(Bandwidth, Bandwidth, Bandwidth, BandwidthOrigin.Given, ""),
        Parameters = new MigrationParameters { MaxDowntime = TimeSpan.FromSeconds(Downtime) },
    }).Promise;
}
