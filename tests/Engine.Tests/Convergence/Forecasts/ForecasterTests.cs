using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>Verdict, ranges, levers and words.</summary>
public sealed class ForecasterTests
{
    const double Mebibyte = 1 << 20;

    [Fact]
    public void An_idle_guest_converges_and_needs_no_lever_but_the_limit()
    {
        var forecast = Forecast(Curves.Idle(256), cap: 64);
        Assert.Equal(ForecastVerdict.Converges, forecast.Verdict);
        Assert.False(forecast.IsProbable);
        Assert.Equal(MigrationBottleneck.BandwidthCapped, forecast.Bottleneck);
        var lever = Assert.Single(forecast.Levers);
        Assert.Equal(ForecastLeverKind.MaxBandwidth, lever.Kind);
        Assert.True(lever.TotalTime < forecast.TotalTime!.Value / 2);
        // The first one until what is left of it fits, and the rest of it while the guest runs.
        Assert.Equal(3, forecast.Passes.Length);
        Assert.InRange(forecast.Downtime!.Value.TotalMilliseconds, 0.2, 3);
        Assert.Equal(0, forecast.Passes[^1].RemainingBytes);
    }

    [Fact]
    public void One_that_writes_too_fast_has_levers_that_make_it_end()
    {
        var curve = Curves.Random(256, 256, 800) with { DeltaShare = 0.02, CompressedShare = 0.3 };
        var forecast = Forecast(curve, bandwidth: 100);
        Assert.Equal(ForecastVerdict.ConvergesWith, forecast.Verdict);
        Assert.Equal(MigrationBottleneck.DirtyRateExceedsBandwidth, forecast.Bottleneck);
        Assert.Null(forecast.TotalTime);
        Assert.Null(forecast.Downtime);
        Assert.Null(forecast.TransferredBytes);
        var kinds = forecast.Levers.Select(lever => lever.Kind).ToArray();
        foreach (var kind in new[] { ForecastLeverKind.Bandwidth, ForecastLeverKind.MaxDowntime, ForecastLeverKind.Xbzrle, ForecastLeverKind.Throttle, ForecastLeverKind.Postcopy })
            Assert.Contains(kind, kinds);
        Assert.DoesNotContain(ForecastLeverKind.MaxBandwidth, kinds);
    }

    [Fact]
    public void Each_lever_does_what_it_says()
    {
        var curve = Curves.Random(256, 256, 800);
        var forecast = Forecast(curve, bandwidth: 100);
        var downtime = forecast.Levers.Single(lever => lever.Kind == ForecastLeverKind.MaxDowntime);
        Assert.Equal(ForecastVerdict.Converges, Forecast(curve, bandwidth: 100, downtime: downtime.Value).Verdict);
        Assert.NotEqual(ForecastVerdict.Converges, Forecast(curve, bandwidth: 100, downtime: downtime.Value * 0.9).Verdict);
        Assert.True(downtime.Downtime.TotalMilliseconds <= downtime.Value + 5);
        var link = forecast.Levers.Single(lever => lever.Kind == ForecastLeverKind.Bandwidth);
        Assert.Equal(ForecastVerdict.Converges, Forecast(curve, bandwidth: link.Value / Mebibyte).Verdict);
        Assert.NotEqual(ForecastVerdict.Converges, Forecast(curve, bandwidth: link.Value * 0.9 / Mebibyte).Verdict);
    }

    [Fact]
    public void A_limit_that_is_too_low_is_named_and_the_least_that_is_enough()
    {
        var curve = Curves.Random(256, 256, 400);
        var forecast = Forecast(curve, cap: 100, bandwidth: 2000);
        Assert.Equal(MigrationBottleneck.BandwidthCapped, forecast.Bottleneck);
        var lever = forecast.Levers.Single(lever => lever.Kind == ForecastLeverKind.MaxBandwidth);
        Assert.Equal(ForecastVerdict.Converges, Forecast(curve, cap: Math.Ceiling(lever.Value / Mebibyte), bandwidth: 2000).Verdict);
        Assert.DoesNotContain(forecast.Levers, other => other.Kind == ForecastLeverKind.Bandwidth);
    }

    [Fact]
    public void A_working_set_that_does_not_fit_is_for_want_of_downtime()
    {
        var forecast = Forecast(Curves.Random(256, 40, 10_000), bandwidth: 100, downtime: 300);
        Assert.Equal(ForecastVerdict.ConvergesWith, forecast.Verdict);
        Assert.Equal(MigrationBottleneck.DowntimeBudgetTooSmall, forecast.Bottleneck);
    }

    [Fact]
    public void Nothing_helps_a_guest_that_writes_beyond_all_measure()
    {
        var curve = Curves.From(_ => 10_000, 10_000);
        var forecast = Forecaster.Forecast(Request(curve, 40, 0, 300) with { AllowsPostcopy = false });
        Assert.Equal(ForecastVerdict.WillNotConverge, forecast.Verdict);
        Assert.Empty(forecast.Levers);
    }

    [Theory]
    [InlineData(30, 300)]
    [InlineData(60, 300)]
    [InlineData(60, 30)]
    [InlineData(90, 100)]
    public void Ranges_hold_their_value_and_that_of_the_downtime_is_the_simulated_one(double rate, double downtime)
    {
        var curve = Curves.From(time => 256 * (1 - Math.Exp(-rate * time / 256)), 256, spread: 0.2);
        var forecast = Forecast(curve, cap: 150, downtime: downtime);
        Assert.Equal(ForecastVerdict.Converges, forecast.Verdict);
        foreach (var range in new[] { forecast.TotalTime!, forecast.Downtime! })
        {
            Assert.True(range.Holds(range.Value));
            Assert.True(range.Least < range.Value && range.Value < range.Most);
        }
        Assert.True(forecast.TransferredBytes!.Holds(forecast.TransferredBytes.Value));
        Assert.Equal(PrecopySimulation.Run(ForecastScenario.From(Request(curve, 1000, 150, downtime))).Downtime, forecast.Downtime!.Value);
    }

    [Theory]
    [InlineData(40, false)]
    [InlineData(80, false)]
    [InlineData(40, true)]
    [InlineData(80, true)]
    public void A_guest_that_walks_may_stand_anywhere_when_it_goes(double rate, bool follows)
    {
        var places = Places(follows);
        Assert.All(places, one => Assert.Equal(ForecastVerdict.Converges, one.Verdict));
        // Where it stands matters, less to a sender that goes on elsewhere for it, and the range of each has the value of all others.
        Assert.True(Spread(Places(follows: false)) > 1.1);
        if (follows) Assert.True(Spread(places) - 1 < (Spread(Places(follows: false)) - 1) * 0.8, $"{Spread(places)} and {Spread(Places(follows: false))}");
        Assert.All(places, one => Assert.All(places, other => Assert.True(one.TotalTime!.Holds(other.TotalTime!.Value))));
        Assert.Contains(places[0].Assumptions, text => text.Contains("one page after the other", StringComparison.Ordinal));

        MigrationForecast[] Places(bool follows) => [.. Enumerable.Range(0, 8).Select(place =>
            Forecaster.Forecast(Request(Walking(place / 8.0, rate), 1000, cap: 150, downtime: 100) with { Sender = SenderModel.Ours with { FollowsWalks = follows } }))];

        static double Spread(MigrationForecast[] places) => places.Max(one => one.TotalTime!.Value) / places.Min(one => one.TotalTime!.Value);
    }

    [Theory]
    [InlineData(20, 60, 300)]
    [InlineData(100, 300, 100)]
    [InlineData(200, 900, 500)]
    public void Nobody_is_promised_more_downtime_than_is_allowed(double bandwidth, double rate, double downtime)
    {
        // What is left at the end takes nearly all of what is allowed.
        var curve = Curves.From(time => Math.Min(bandwidth * downtime / 1000 * 0.95, rate * time), 256, spread: 0.3);
        var forecast = Forecast(curve, bandwidth, downtime: downtime);
        Assert.Equal(ForecastVerdict.Converges, forecast.Verdict);
        Assert.True(forecast.Downtime!.Holds(forecast.Downtime.Value));
        Assert.True(forecast.Downtime.Most <= TimeSpan.FromMilliseconds(Math.Max(downtime, forecast.Downtime.Value.TotalMilliseconds + 10)));
        Assert.True(forecast.Downtime.Value > TimeSpan.FromMilliseconds(downtime / 2));
    }

    [Fact]
    public void It_says_probably_where_the_range_crosses_the_limit()
    {
        DirtyCurve Noisy(double rate) => Curves.From(time => 256 * (1 - Math.Exp(-rate * time / 256)), 256, spread: 0.5);
        Assert.False(Forecast(Noisy(20), cap: 100).IsProbable);
        var close = Enumerable.Range(1, 60).Select(step => Forecast(Noisy(10 * step), cap: 100)).ToArray();
        Assert.Contains(close, one => one is { Verdict: ForecastVerdict.Converges, IsProbable: true, TotalTime.Most: null });
        Assert.Contains(close, one => one is { Verdict: ForecastVerdict.ConvergesWith, IsProbable: true });
    }

    [Theory]
    [InlineData(200, 0, false, 10)]
    [InlineData(512, 0, false, 55)]
    [InlineData(512, 512, false, 10)]
    [InlineData(1024, 512, false, 55)]
    [InlineData(384, 0, true, 70)]
    [InlineData(600, 0, true, 100)]
    public void Differences_are_of_pages_that_were_kept(double set, int cacheSize, bool walks, double percent)
    {
        var curve = Curves.From(time => Math.Min(set, 1000 * time), 2048) with { DeltaShare = 0.1 };
        if (walks) curve = curve with { Places = Walking(0, 100).Places };
        var request = Request(curve, 1000, 200, 300) with { IsAdaptive = true };
        request = request with { Parameters = request.Parameters with { XbzrleCacheSize = (long)cacheSize << 20 } };
        Assert.Equal(percent / 100, ForecastScenario.From(request).Shares.Again, 3);
    }

    [Fact]
    public void What_it_takes_for_granted_is_said()
    {
        var curve = Curves.Random(256, 100, 90) with { ZeroShare = 0.25, DeltaShare = 0.1 };
        var words = Forecaster.Forecast(Request(curve, 1000, 100, 300) with { IsAdaptive = true }).Assumptions;
        Assert.Contains(words, text => text.Contains("1000 MB/s, as given", StringComparison.Ordinal));
        Assert.Contains(words, text => text.Contains("25 % of that zeros", StringComparison.Ordinal));
        Assert.Contains(words, text => text.Contains("takes 10 % of its size", StringComparison.Ordinal));
        Assert.Contains(words, text => text.Contains("The limit holds", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(true, MigrationCompression.None, "differ from what they were")]
    [InlineData(false, MigrationCompression.Zstd, "compress is not known")]
    public void What_nobody_can_tell_of_its_pages_is_said(bool xbzrle, MigrationCompression compression, string words)
    {
        var request = Request(Curves.Random(256, 100, 90), 1000, 100, 300);
        request = request with { Parameters = request.Parameters with { Xbzrle = xbzrle, Compression = compression, Channels = xbzrle ? 0 : 2 } };
        Assert.Contains(Forecaster.Forecast(request).Assumptions, text => text.Contains(words, StringComparison.Ordinal));
        var known = request with { Curve = request.Curve with { DeltaShare = 0.5, CompressedShare = 0.5 } };
        Assert.DoesNotContain(Forecaster.Forecast(known).Assumptions, text => text.Contains("taken as whole", StringComparison.Ordinal));
    }

    [Fact]
    public void That_a_policy_may_do_more_than_its_rule_is_said()
    {
        string Words(Func<MigrationParameters, MigrationParameters> with)
        {
            var request = Request(Curves.Random(256, 100, 90), 1000, 100, 300);
            return string.Join('\n', Forecaster.Forecast(request with { Parameters = with(request.Parameters) }).Assumptions);
        }
        Assert.Contains("by QEMU's rule", Words(asked => asked), StringComparison.Ordinal);
        Assert.Contains("policy Adaptive", Words(asked => asked), StringComparison.Ordinal);
        Assert.Contains("slow the guest down or let it go over", Words(asked => asked with { MaxThrottle = 50, Postcopy = true }), StringComparison.Ordinal);
        Assert.DoesNotContain("go over", Words(asked => asked with { MaxThrottle = 50 }), StringComparison.Ordinal);
        Assert.DoesNotContain("slow the guest down", Words(asked => asked with { Postcopy = true }), StringComparison.Ordinal);
        Assert.DoesNotContain("policy", Words(asked => asked with { Policy = MigrationPolicy.Find("Qemu") }), StringComparison.Ordinal);
    }

    [Fact]
    public void By_Adaptive_the_stop_is_shorter_and_may_be_as_long_as_by_Qemu()
    {
        var request = Request(Curves.Random(1024, 1024, 20), 1000, 100, 300);
        var (ours, qemu) = (Forecaster.Forecast(request), Forecaster.Forecast(request with { Parameters = request.Parameters with { Policy = MigrationPolicy.Find("Qemu") } }));
        Assert.InRange(ours.Downtime!.Value / qemu.Downtime!.Value, 0.01, 0.5);
        Assert.True(ours.Downtime.Most >= qemu.Downtime.Most);
        Assert.Equal(SenderModel.Ours.LeastOverhead, ours.Downtime.Least.TotalSeconds, 1e-6);
        Assert.True(qemu.Downtime.Least > ours.Downtime.Least);
        Assert.InRange(ours.TotalTime!.Value / qemu.TotalTime!.Value, 1, 1.125);
        Assert.Contains("a little later", string.Join('\n', ours.Assumptions), StringComparison.Ordinal);
        Assert.DoesNotContain("a little later", string.Join('\n', qemu.Assumptions), StringComparison.Ordinal);
        // What is only observed, and what a QEMU sends, is not held back.
        Assert.Equal(qemu.Downtime.Value, Forecaster.Forecast(request with { Parameters = request.Parameters with { ObserveOnly = true } }).Downtime!.Value);
        Assert.Equal(qemu.Downtime.Value, Forecaster.Forecast(request with { IsDriven = true }).Downtime!.Value);
    }

    [Fact]
    public void What_fits_by_a_hair_may_not_fit()
    {
        var qemu = MigrationPolicy.Find("Qemu");
        MigrationForecast At(double downtime)
        {
            var request = Request(Curves.Random(512, 512, 100), 1000, 150, downtime);
            return Forecaster.Forecast(request with { Parameters = request.Parameters with { Policy = qemu } });
        }
        var allowed = Enumerable.Range(60, 240).First(downtime => At(downtime).Passes.Length > At(downtime + 1).Passes.Length);
        var (less, more) = (At(allowed).Downtime!, At(allowed + 1).Downtime!);
        Assert.True(more.Value > 1.3 * less.Value, $"{less} and {more}");
        Assert.True(more.Holds(less.Value), $"{less} is not within {more}.");
        Assert.True(less.Holds(more.Value), $"{more} is not within {less}.");
    }

    [Fact]
    public void Figures_read_well()
    {
        Assert.Equal("3.2 s (2.9 to 4 s)", new ForecastTime(Ms(3200), Ms(2900), Ms(4000)).ToString());
        Assert.Equal("3.2 s (2.9 s or more)", new ForecastTime(Ms(3200), Ms(2900), null).ToString());
        Assert.Equal("4 ms (1 to 5.5 ms)", new ForecastTime(Ms(4), Ms(1), Ms(5.5)).ToString());
        Assert.Equal("2 MB (1 to 3)", new ForecastBytes(2 << 20, 1 << 20, 3 << 20).ToString());
        Assert.False(new ForecastTime(Ms(4), Ms(1), Ms(5)).Holds(Ms(6)));
        Assert.True(new ForecastTime(Ms(4), Ms(1), null).Holds(Ms(6)));
    }

    static DirtyCurve Walking(double place, double rate)
    {
        double[] alike = [.. Enumerable.Repeat(1.0 / 256, 256)];
        return Curves.Walking(256, 256, rate) with { Places = new DirtyPlaces { Soon = alike, Late = alike, Walk = new DirtyWalk((long)(place * 256 * Mebibyte), 0, (long)(256 * Mebibyte)) } };
    }

    static TimeSpan Ms(double value) => TimeSpan.FromMilliseconds(value);

    static MigrationForecast Forecast(DirtyCurve curve, double bandwidth = 1000, double cap = 0, double downtime = 300) =>
        Forecaster.Forecast(Request(curve, bandwidth, cap, downtime));

    static ForecastRequest Request(DirtyCurve curve, double bandwidth, double cap, double downtime) => new()
    {
        Name = "guest", HostName = "local", Destination = "tcp:there:4444", Curve = curve, Duration = TimeSpan.FromSeconds(5),
        Bandwidth = new KnownBandwidth(bandwidth * Mebibyte, bandwidth * Mebibyte * 0.95, bandwidth * Mebibyte * 1.05, BandwidthOrigin.Given, "as given"),
        Parameters = new MigrationParameters { MaxBandwidth = (long)(cap * Mebibyte), MaxDowntime = TimeSpan.FromMilliseconds(downtime) },
    };
}
