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
        // What is beside them is not what -MaxDowntime is about.
        Assert.InRange((slow.Downtime.TotalSeconds - SenderModel.Ours.Overhead) * 1000, 200, 300.3);
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
        var asked = scenario with { Differences = DifferencesUse.Asked };
        Assert.True(PrecopySimulation.Run(asked).TotalTime > run.TotalTime);
        // With room for all of it they begin as early, and earlier: nothing has to go again yet.
        Assert.InRange(PrecopySimulation.Run(asked with { CacheSize = 256L << 20 }).TotalTime, TimeSpan.Zero, run.TotalTime);
        Assert.Equal(PrecopySimulation.Run(asked).TotalTime, PrecopySimulation.Run(asked with { CacheSize = 128L << 20 }).TotalTime);
    }

    [Theory]
    [InlineData(0.02, 0.5, 1.3)]
    [InlineData(1, 1, 1.31)]
    public void What_was_kept_in_the_first_pass_is_tried_before_the_guest_stops(double again, double mostDowntime, double mostTime)
    {
        var scenario = Scenario(Curves.Random(256, 256, 15), 1024, 100, 300) with
        {
            Shares = new WireShares(0, 1, again), CountsPages = true, Differences = DifferencesUse.Asked, CacheSize = 256L << 20,
        };
        var atOnce = PrecopySimulation.Run(scenario);
        var tried = PrecopySimulation.Run(scenario with { ShortensStop = true });
        Assert.True(atOnce.Converged && tried.Converged);
        Assert.True(atOnce.Downtime > TimeSpan.FromMilliseconds(6), $"{atOnce.Downtime}");
        Assert.InRange(tried.Downtime / atOnce.Downtime, 0, mostDowntime);
        Assert.InRange(tried.TotalTime / atOnce.TotalTime, 0.9, mostTime);
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
    public void A_sleep_that_ends_late_makes_each_window_longer()
    {
        var scenario = Scenario(Curves.Idle(256), 1024, 100, 30);
        TimeSpan Total(double lateness) => PrecopySimulation.Run(scenario with { Sender = SenderModel.Ours with { Lateness = lateness } }).TotalTime;
        // 25 windows, and what is left goes without a limit.
        Assert.Equal(25 * 0.002, (Total(0.002) - Total(0)).TotalSeconds, 1e-6);
        // A recorded limit that was not quite reached has that in it.
        var recorded = scenario with { Reached = _ => 1 };
        Assert.Equal(Total(0), PrecopySimulation.Run(recorded).TotalTime);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Where_the_zeros_lie_says_when_the_rest_is_through(bool areLast)
    {
        double[] zeros = [.. Enumerable.Range(0, 32).Select(place => place < 16 == areLast ? 0.0 : 1)];
        var curve = Curves.Idle(256) with { ZeroShare = 0.5 };
        var scenario = Scenario(curve, 1024, 32, 1000) with { Shares = new WireShares(0.5, 1, 1) };
        var alike = PrecopySimulation.Run(scenario);
        var run = PrecopySimulation.Run(scenario with { Curve = curve with { ZeroPlaces = zeros } });
        Assert.InRange(run.Bytes / Mebibyte, 128, 128.1);
        // The last 32 MiB of pages need not be waited for, whatever is in them: half of them zeros, or all, or none.
        Assert.InRange(alike.TotalTime.TotalSeconds, 3.45, 3.65);
        Assert.InRange(run.TotalTime.TotalSeconds, areLast ? 3.9 : 3, areLast ? 4.1 : 3.2);
    }

    [Fact]
    public void Records_of_a_QEMU_take_room_too()
    {
        var scenario = Scenario(Curves.Idle(256), 1024, 0, 30) with { Shares = new WireShares(0.5, 1, 1), Sender = SenderModel.Qemu };
        var pages = 128 * Mebibyte / 4096;
        Assert.Equal((128 * Mebibyte) + (pages * 8) + (pages * 9) + SenderModel.Qemu.DeviceState, PrecopySimulation.Run(scenario).Bytes, 1e3);
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

    /// <summary>Under a limit too, where windows of 100 ms are the least step; seeded curves.</summary>
    [Fact]
    public void A_switch_over_that_is_held_back_costs_little()
    {
        var random = new Random(92);
        int held = 0, shorter = 0, longer = 0;
        for (var round = 0; round < 200; round++)
        {
            var (memory, cap) = (64 << random.Next(6), random.Next(40, 400));
            var rate = cap * Math.Pow(random.NextDouble(), 2);
            var curve = random.Next(2) == 0 ? Curves.Random(memory, memory * random.NextDouble(), rate) : Curves.Walking(memory, memory, rate);
            var free = Scenario(curve, 1000, random.Next(3) == 0 ? 0 : cap, random.Next(10, 500));
            var (qemu, ours) = (PrecopySimulation.Run(free), PrecopySimulation.Run(free with { ShortensStop = true }));
            Assert.Equal(qemu.Converged, ours.Converged);
            if (!qemu.Converged || qemu.TotalTime == ours.TotalTime) continue;
            held++;
            if (ours.Downtime <= 0.6 * qemu.Downtime) shorter++;
            // Given up it may find more, and never more than fits.
            if (ours.Downtime > qemu.Downtime) longer++;
            Assert.InRange(ours.FinalPages, 0, ours.Bandwidth * free.MaxDowntime.TotalSeconds * 1.01);
            Assert.InRange(ours.TotalTime.TotalSeconds, 0, (1.125 * qemu.TotalTime.TotalSeconds) + 0.1);
        }
        Assert.InRange(held, 40, 200);
        Assert.InRange((double)shorter / held, 0.8, 1);
        Assert.InRange((double)longer / held, 0, 0.05);
    }

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
    public void Where_a_guest_walks_decides_how_much_goes_again(bool looksAgain, double place, double rate, double downtime) =>
        AssertLikeTwin(looksAgain, follows: false, place, rate, downtime);

    [Theory]
    [InlineData(0.0, 40, 0.03)]
    [InlineData(0.3, 40, 0.03)]
    [InlineData(0.5, 60, 0.1)]
    [InlineData(0.7, 30, 0.3)]
    [InlineData(0.95, 60, 0.1)]
    [InlineData(0.1, 60, 0.1)]
    public void A_sender_that_follows_who_walks_goes_on_elsewhere(double place, double rate, double downtime) =>
        AssertLikeTwin(looksAgain: true, follows: true, place, rate, downtime);

    [Fact]
    public void Where_a_guest_stands_that_walks_hardly_matters_to_a_sender_that_follows_it()
    {
        double[] places = [0, 0.2, 0.4, 0.6, 0.8], followed = [.. places.Select(place => Time(place, true))], not = [.. places.Select(place => Time(place, false))];
        Assert.True(followed.Max() < 1.25 * followed.Min(), $"{followed.Min()} to {followed.Max()} s");
        Assert.True(not.Max() > 1.5 * not.Min(), $"{not.Min()} to {not.Max()} s");
        Assert.True(followed.Average() < not.Average());

        static double Time(double place, bool follows) => PrecopySimulation.Run(Scenario(WalkingFrom(place, 70), 1000, 100, 100) with
        {
            Sender = SenderModel.Ours with { FollowsWalks = follows },
        }).TotalTime.TotalSeconds;
    }

    const double Walked = 256;

    static DirtyCurve WalkingFrom(double place, double rate) => Curves.Walking(Walked, Walked, rate) with
    {
        Places = new DirtyPlaces { Soon = Alike, Late = Alike, Walk = new DirtyWalk((long)(place * Walked * Mebibyte), 0, (long)(Walked * Mebibyte)) },
    };

    static void AssertLikeTwin(bool looksAgain, bool follows, double place, double rate, double downtime)
    {
        const double Memory = Walked;
        var twin = new PagewiseTwin((int)(Memory * 256), rate * 256, isRandom: false, seed: 1, looksAgain, 1000 * Mebibyte, 100 * Mebibyte, downtime, (int)(place * Memory * 256), follows: follows);
        var stopped = twin.Run(200);
        Assert.NotNull(stopped);
        var sender = SenderModel.Ours with { LooksAgain = looksAgain, FollowsWalks = follows, Setup = 0, Synchronisation = 0 };
        var run = PrecopySimulation.Run(Scenario(WalkingFrom(place, rate), 1000, 100, downtime * 1000) with { Sender = sender });
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
