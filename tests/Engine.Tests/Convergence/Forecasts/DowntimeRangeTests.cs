using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>How long a guest may stand: by what is left, and how that goes.</summary>
public sealed class DowntimeRangeTests
{
    const double Mebibyte = 1 << 20;

    [Fact]
    public void It_is_at_most_twice_as_wide_as_its_value_where_a_guest_goes_on_as_it_did()
    {
        foreach (var (rate, downtime) in new[] { (30.0, 300.0), (60, 300), (60, 100), (80, 300) })
        {
            var time = Range(Curves.Random(1024, 1024, rate), downtime);
            Assert.InRange((time.Most!.Value - time.Least) / time.Value, 0.8, 2);
        }
    }

    [Fact]
    public void Where_the_guest_stood_for_a_while_there_may_be_nothing_left_or_twice_as_much()
    {
        var curve = Curves.Random(1024, 1024, 60);
        // In a window of up to 300 ms it wrote all the time, or not at all.
        var bursty = curve with { Points = [.. curve.Points.Select(point => point.Interval.TotalSeconds > 0.3 ? point : point with { LeastBytes = 0, MostBytes = 2 * point.Bytes })] };
        var (steady, other) = (Range(curve, 100), Range(bursty, 100));
        Assert.Equal(steady.Value, other.Value);
        Assert.True(other.Least <= TimeSpan.FromSeconds(SenderModel.Ours.LeastOverhead) && steady.Least > other.Least * 2);
        Assert.InRange(other.Most!.Value / steady.Most!.Value, 1.3, 2.2);
    }

    [Fact]
    public void Pages_that_never_went_have_a_speed_of_their_own()
    {
        var (first, again) = (Run(Curves.Idle(1024)), Run(Curves.Random(1024, 28, 10_000)));
        Assert.Equal(first.FinalPages, first.NewPages);
        Assert.Equal(0, again.NewPages);
        var ours = SenderModel.Ours;
        Assert.Equal((first.NewPages / ours.New.Value) + ours.Overhead, first.Downtime.TotalSeconds, 1e-4);
        Assert.Equal((again.FinalPages / ours.Scattered.Value) + ours.Overhead, again.Downtime.TotalSeconds, 1e-4);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(600, false)]
    [InlineData(500, true)]
    [InlineData(50, true)]
    public void Those_go_slowly_where_the_destination_has_no_time_to_have_memory_mapped(double cap, bool hasTime)
    {
        var scenario = Scenario(Curves.Idle(1024), 100) with { Bandwidth = 1000 * Mebibyte, MaxBandwidth = (long)(cap * Mebibyte) };
        Assert.Equal(hasTime ? SenderModel.Ours.New : SenderModel.Ours.Unmapped, scenario.New);
        var run = PrecopySimulation.Run(scenario);
        // Without a limit the link is what it takes at least.
        Assert.Equal(Math.Max(run.FinalLink.TotalSeconds, run.NewPages / scenario.New.Value) + SenderModel.Ours.Overhead, run.Downtime.TotalSeconds, 1e-4);
    }

    [Fact]
    public void Pages_that_lie_together_go_faster()
    {
        double[] alike = [.. Enumerable.Repeat(1.0 / 256, 256)];
        var curve = Curves.Walking(1024, 1024, 60) with { Places = new DirtyPlaces { Soon = alike, Late = alike, Walk = new DirtyWalk(0, 0, 1 << 30) } };
        // Passes that go on where it is met last leave next to nothing.
        var run = PrecopySimulation.Run(Scenario(curve, 300) with { Sender = SenderModel.Ours with { FollowsWalks = false } });
        var speed = (run.FinalPages - run.NewPages) / (run.Downtime.TotalSeconds - SenderModel.Ours.Overhead);
        Assert.InRange(speed, SenderModel.Ours.Scattered.Value * 1.2, SenderModel.Ours.Together.Value * 1.01);
    }

    [Fact]
    public void A_slow_link_is_what_the_last_pages_take()
    {
        var scenario = Scenario(Curves.Random(256, 256, 20), 300) with { Bandwidth = 60 * Mebibyte, MaxBandwidth = 0 };
        var run = PrecopySimulation.Run(scenario);
        var time = new DowntimeRange(scenario, Link(60 * Mebibyte)).Of(run, []);
        Assert.Equal(run.FinalRam.TotalSeconds + SenderModel.Ours.Overhead, time.Value.TotalSeconds, 1e-3);
        Assert.True(time.Least.TotalSeconds > run.FinalRam.TotalSeconds * 0.9);
    }

    [Fact]
    public void What_a_destination_of_QEMU_has_not_loaded_is_waited_for()
    {
        double[] zeros = [.. Enumerable.Range(0, 32).Select(place => place < 16 ? 0.0 : 1)];
        var scenario = Scenario(Curves.Idle(256) with { ZeroShare = 0.5, ZeroPlaces = zeros }, 300) with { Sender = SenderModel.Qemu, Shares = new WireShares(0.5, 1, 1) };
        var run = PrecopySimulation.Run(scenario);
        // 128 MiB of zeros at the end.
        var loading = 128 * Mebibyte / SenderModel.Qemu.LoadedZeros;
        Assert.InRange(run.Backlog.TotalSeconds, loading * 0.3, loading);
        Assert.True(run.Downtime > run.Backlog);
        Assert.True(new DowntimeRange(scenario, Link(scenario.Bandwidth)).Of(run, []).Most > TimeSpan.FromSeconds(loading));
        Assert.Equal(TimeSpan.Zero, PrecopySimulation.Run(scenario with { Sender = SenderModel.Ours }).Backlog);
    }

    static SimulatedPrecopy Run(DirtyCurve curve) => PrecopySimulation.Run(Scenario(curve, 300));

    static ForecastTime Range(DirtyCurve curve, double downtime)
    {
        var scenario = Scenario(curve, downtime);
        var run = PrecopySimulation.Run(scenario);
        Assert.True(run.Converged);
        var time = new DowntimeRange(scenario, Link(scenario.Bandwidth)).Of(run, []);
        Assert.True(time.Holds(time.Value));
        return time;
    }

    static KnownBandwidth Link(double bandwidth) => new(bandwidth, bandwidth * 0.95, bandwidth * 1.05, BandwidthOrigin.Given, "as given");

    static PrecopyScenario Scenario(DirtyCurve curve, double downtime) => new()
    {
        Curve = curve, Bandwidth = 5000 * Mebibyte, MaxBandwidth = (long)(100 * Mebibyte), MaxDowntime = TimeSpan.FromMilliseconds(downtime),
    };
}
