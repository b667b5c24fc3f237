using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Convergence;

/// <summary>Precopies in virtual time.</summary>
public sealed class PrecopySimulationTests
{
    const double Mebibyte = 1 << 20;

    [Fact]
    public void An_idle_guest_goes_once()
    {
        var run = Run(Curves.Idle(256), bandwidth: 1024, cap: 64);
        Assert.True(run.Converged);
        Assert.Single(run.Passes);
        // The last 300 ms of the limit need not wait for it.
        Assert.InRange(run.TotalTime.TotalSeconds, 3.6, 4.1);
        Assert.InRange(run.Bytes / Mebibyte, 256, 257);
        Assert.InRange(run.Downtime.TotalMilliseconds, 0.2, 20);
    }

    [Fact]
    public void The_last_pages_know_no_limit()
    {
        var slow = Run(Curves.Idle(256), bandwidth: 64, cap: 0);
        var capped = Run(Curves.Idle(256), bandwidth: 4096, cap: 64);
        Assert.InRange(slow.Downtime.TotalMilliseconds, 200, 301);
        Assert.InRange(capped.Downtime.TotalMilliseconds, 0.5, 30);
    }

    [Theory]
    [InlineData(40, true)]
    [InlineData(90, true)]
    [InlineData(400, false)]
    public void Whether_it_ends_depends_on_the_rate(double rate, bool converges) =>
        Assert.Equal(converges, Run(Curves.Random(256, 256, rate), bandwidth: 1024, cap: 100).Converged);

    [Fact]
    public void A_working_set_that_fits_ends_however_often_it_is_written()
    {
        Assert.True(Run(Curves.Random(256, 20, 10_000), bandwidth: 1024, cap: 100).Converged);
        Assert.False(Run(Curves.Random(256, 40, 10_000), bandwidth: 1024, cap: 100).Converged);
        Assert.True(Run(Curves.Random(256, 40, 10_000), bandwidth: 1024, cap: 100, downtime: 500).Converged);
    }

    [Fact]
    public void What_did_not_converge_does_so_when_the_guest_is_slowed()
    {
        var scenario = Scenario(Curves.Random(256, 256, 400), 1024, 100, 300);
        Assert.False(PrecopySimulation.Run(scenario).Converged);
        Assert.True(PrecopySimulation.Run(scenario with { Throttle = 0.9 }).Converged);
    }

    [Fact]
    public void Differences_end_what_whole_pages_do_not()
    {
        var scenario = Scenario(Curves.Random(256, 256, 400), 1024, 100, 300) with { Shares = new WireShares(0, 1, 0.02), CountsPages = true };
        Assert.False(PrecopySimulation.Run(scenario).Converged);
        var run = PrecopySimulation.Run(scenario with { Differences = DifferencesUse.Adaptive });
        Assert.True(run.Converged);
        Assert.True(PrecopySimulation.Run(scenario with { Differences = DifferencesUse.Asked }).TotalTime > run.TotalTime);
    }

    [Fact]
    public void Looking_at_the_log_again_saves_pages()
    {
        var scenario = Scenario(Curves.Random(256, 256, 60), 1024, 100, 30);
        var ours = PrecopySimulation.Run(scenario);
        var qemu = PrecopySimulation.Run(scenario with { Sender = SenderModel.Qemu });
        Assert.True(ours.Converged && qemu.Converged);
        Assert.True(ours.TotalTime < qemu.TotalTime);
        Assert.InRange(ours.Passes[0].Remaining / qemu.Passes[0].Remaining, 0.4, 0.7);
    }

    [Fact]
    public void Zero_and_compressed_pages_take_less()
    {
        var scenario = Scenario(Curves.Idle(256), 1024, 100, 30);
        Assert.InRange(PrecopySimulation.Run(scenario with { Shares = new WireShares(0.5, 1, 1) }).Bytes / Mebibyte, 127, 130);
        Assert.InRange(PrecopySimulation.Run(scenario with { Shares = new WireShares(0.5, 0.25, 1) }).Bytes / Mebibyte, 31, 34);
    }

    [Fact]
    public void The_same_input_gives_the_same()
    {
        var scenario = Scenario(Curves.Random(256, 100, 90), 1024, 100, 50);
        var (one, other) = (PrecopySimulation.Run(scenario), PrecopySimulation.Run(scenario));
        Assert.Equal((one.TotalTime, one.Downtime, one.Bytes), (other.TotalTime, other.Downtime, other.Bytes));
        Assert.Equal(one.Passes, other.Passes);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    public void A_link_that_carries_nothing_never_ends(double bandwidth) =>
        Assert.False(PrecopySimulation.Run(Scenario(Curves.Idle(64), 1, 0, 300) with { Bandwidth = bandwidth }).Converged);

    [Theory]
    [InlineData(true, 40, 100, 0.3)]
    [InlineData(true, 40, 100, 0.03)]
    [InlineData(true, 70, 100, 0.1)]
    [InlineData(true, 30, 0, 0.03)]
    [InlineData(false, 40, 100, 0.3)]
    [InlineData(false, 60, 100, 0.1)]
    [InlineData(false, 30, 0, 0.03)]
    public void It_comes_to_what_page_by_page_comes_to(bool looksAgain, double rate, double cap, double downtime)
    {
        // So large that a window of 100 ms is little of the whole.
        const double Memory = 256;
        var bandwidth = (cap == 0 ? 100 : 1000) * Mebibyte;
        double time = 0, bytes = 0;
        var first = 0.0;
        const int Rounds = 5;
        for (var seed = 1; seed <= Rounds; seed++)
        {
            var twin = new PagewiseTwin((int)(Memory * 256), rate * 256, isRandom: true, seed, looksAgain, bandwidth, cap * Mebibyte, downtime);
            var stopped = twin.Run(200);
            Assert.NotNull(stopped);
            time += stopped.Value;
            bytes += twin.Bytes;
            first += twin.Remaining[0] * 4096.0;
        }
        var sender = SenderModel.Ours with { LooksAgain = looksAgain, Setup = 0, Synchronisation = 0 };
        var run = PrecopySimulation.Run(Scenario(Curves.Random(Memory, Memory, rate), bandwidth / Mebibyte, cap, downtime * 1000) with { Sender = sender });
        Assert.True(run.Converged);
        var sent = run.Bytes - run.FinalPages - sender.DeviceState;
        Assert.InRange(run.Passes[0].Remaining / (first / Rounds), 0.93, 1.07);
        Assert.InRange((run.TotalTime - run.Downtime).TotalSeconds / (time / Rounds), 0.93, 1.07);
        Assert.InRange(sent / (bytes / Rounds), 0.93, 1.07);
    }

    [Theory]
    [InlineData(true, 0.0, 40, 0.03)]
    [InlineData(true, 0.3, 40, 0.03)]
    [InlineData(true, 0.5, 60, 0.1)]
    [InlineData(true, 0.7, 30, 0.3)]
    [InlineData(true, 0.95, 60, 0.1)]
    [InlineData(false, 0.3, 40, 0.1)]
    [InlineData(false, 0.8, 40, 0.03)]
    public void Where_a_guest_walks_decides_how_much_goes_again(bool looksAgain, double place, double rate, double downtime)
    {
        const double Memory = 256;
        var twin = new PagewiseTwin((int)(Memory * 256), rate * 256, isRandom: false, seed: 1, looksAgain, 1000 * Mebibyte, 100 * Mebibyte, downtime, (int)(place * Memory * 256));
        var stopped = twin.Run(200);
        Assert.NotNull(stopped);
        var places = new DirtyPlaces { Soon = Alike, Late = Alike, Walk = new DirtyWalk((long)(place * Memory * Mebibyte), 0, (long)(Memory * Mebibyte)) };
        var sender = SenderModel.Ours with { LooksAgain = looksAgain, Setup = 0, Synchronisation = 0 };
        var run = PrecopySimulation.Run(Scenario(Curves.Walking(Memory, Memory, rate) with { Places = places }, 1000, 100, downtime * 1000) with { Sender = sender });
        Assert.True(run.Converged);
        // Of the whole memory: next to nothing may be left.
        Assert.InRange((run.Passes[0].Remaining - (twin.Remaining[0] * 4096.0)) / (Memory * Mebibyte), -0.02, 0.02);
        Assert.InRange((run.TotalTime - run.Downtime).TotalSeconds / stopped.Value, 0.93, 1.07);
        Assert.InRange((run.Bytes - run.FinalPages - sender.DeviceState) / twin.Bytes, 0.93, 1.07);
    }

    [Theory]
    [InlineData(true, 64, 60, 0.03)]
    [InlineData(true, 64, 150, 0.3)]
    [InlineData(true, 128, 60, 0.1)]
    [InlineData(false, 64, 60, 0.1)]
    public void What_is_written_in_one_place_only_is_dirty_when_the_sender_is_far_from_it(bool looksAgain, double set, double rate, double downtime)
    {
        const double Memory = 256;
        var twin = new PagewiseTwin((int)(Memory * 256), rate * 256, isRandom: true, seed: 1, looksAgain, 1000 * Mebibyte, 100 * Mebibyte, downtime, set: (int)(set * 256));
        var stopped = twin.Run(200);
        Assert.NotNull(stopped);
        double[] there = [.. Enumerable.Range(0, 256).Select(cell => cell < set ? 1 / set : 0)];
        var sender = SenderModel.Ours with { LooksAgain = looksAgain, Setup = 0, Synchronisation = 0 };
        var curve = Curves.Random(Memory, set, rate) with { Places = new DirtyPlaces { Soon = there, Late = there } };
        var run = PrecopySimulation.Run(Scenario(curve, 1000, 100, downtime * 1000) with { Sender = sender });
        Assert.True(run.Converged);
        Assert.InRange(run.Passes[0].Remaining / (twin.Remaining[0] * 4096.0), 0.93, 1.07);
        Assert.InRange((run.TotalTime - run.Downtime).TotalSeconds / stopped.Value, 0.9, 1.1);
    }

    static double[] Alike => [.. Enumerable.Repeat(1.0 / 256, 256)];

    static SimulatedPrecopy Run(DirtyCurve curve, double bandwidth, double cap, double downtime = 300) =>
        PrecopySimulation.Run(Scenario(curve, bandwidth, cap, downtime));

    static PrecopyScenario Scenario(DirtyCurve curve, double bandwidth, double cap, double downtime) => new()
    {
        Curve = curve, Bandwidth = bandwidth * Mebibyte, MaxBandwidth = (long)(cap * Mebibyte), MaxDowntime = TimeSpan.FromMilliseconds(downtime),
    };
}
