using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Replays;

/// <summary>The guest of a replay, part by part.</summary>
public sealed class ReplayGuestTests
{
    const int Pages = 64 * 256;
    const double Mebibyte = 1 << 20;

    [Theory]
    [InlineData(TwinGuest.Random)]
    [InlineData(TwinGuest.Walking)]
    [InlineData(TwinGuest.HotSpot)]
    [InlineData(TwinGuest.Bursts)]
    [InlineData(TwinGuest.Quarter)]
    internal void Asked_for_what_was_recorded_it_gives_what_was_found(TwinGuest kind)
    {
        var trace = Trace(kind);
        var guest = new ReplayGuest(trace, now: 0);
        double found = 0, off = 0, time = 0;
        foreach (var pass in trace.Passes)
        {
            for (var region = 0; region < guest.Regions; region++)
            {
                var middle = time + (pass.WasLookedAt(region) ? pass.LookedAt[region] : 0);
                found += pass.Looked[region] + pass.Found[region];
                off += Math.Abs(guest.Written(region, time, middle) - pass.Looked[region]);
                off += Math.Abs(guest.Written(region, middle, time + pass.Duration.TotalSeconds) - pass.Found[region]);
            }
            time += pass.Duration.TotalSeconds;
        }
        // What is within chance of the usual is as good as the usual.
        Assert.InRange(off / found, 0, 0.12);
    }

    [Fact]
    public void It_writes_more_in_a_longer_time_and_never_more_than_there_is()
    {
        foreach (var kind in Enum.GetValues<TwinGuest>())
        {
            var guest = new ReplayGuest(Trace(kind), now: 0);
            for (var region = 0; region < guest.Regions; region += 7)
            {
                double before = 0;
                foreach (var seconds in new[] { 0.001, 0.01, 0.1, 0.5, 1, 3, 10, 100, 10_000 })
                {
                    var written = guest.Written(region, 0.3, 0.3 + seconds);
                    Assert.InRange(written, before, guest.PagesOf(region));
                    before = written;
                }
            }
        }
    }

    [Fact]
    public void Its_shape_is_the_same_both_ways()
    {
        var trace = Trace(TwinGuest.Random);
        var shape = new WrittenShape([(0.1, 100, 1), (0.2, 190, 1), (1, 800, 1), (5, 3000, 1)], trace);
        foreach (var seconds in new[] { 1e-5, 0.001, 0.03, 0.1, 0.2, 0.7, 1, 2.5, 5 }) Assert.Equal(seconds, shape.Seconds(shape.Pages(seconds)), seconds * 0.02);
        Assert.Equal(100, shape.Pages(0.1), 5.0);
        Assert.Equal(800, shape.Pages(1), 20.0);
        Assert.Equal((0.0, 0.0), (shape.Pages(0), shape.Seconds(0)));
        Assert.True(shape.Seconds(1e12) < 1e7);
    }

    [Fact]
    public void Noise_does_not_make_a_longer_interval_dirty_less()
    {
        var shape = new WrittenShape([(0.1, 200, 1), (1, 100, 1), (3, 400, 1)], Trace(TwinGuest.Random));
        // Both have the mean of both.
        Assert.Equal(150, shape.Pages(0.55), 8.0);
        Assert.True(shape.Pages(3) > shape.Pages(0.5));
    }

    [Fact]
    public void A_clock_goes_as_slowly_as_its_vCPU()
    {
        var clock = new GuestClock([1, 2], now: 10);
        Assert.Equal((3.0, 1.0, 2.0), (clock.Recorded, clock.PassStart(1), clock.PassLength(1)));
        Assert.Equal(2, clock.At(12), 1e-9);
        clock.SetSpeed(12, 0.25);
        Assert.Equal(3, clock.At(16), 1e-9);
        Assert.Equal(3, clock.HeldAt(16), 1e-9);
        clock.SetSpeed(16, 1);
        Assert.Equal((4.0, 3.0), (Math.Round(clock.At(17), 9), Math.Round(clock.HeldAt(17), 9)));
        Assert.Equal((0, 0, 1, 1), (clock.PassAt(0), clock.PassAt(0.9), clock.PassAt(1), clock.PassAt(99)));
    }

    [Fact]
    public void A_vCPU_that_is_held_back_writes_less_and_the_other_goes_on()
    {
        var trace = Trace(TwinGuest.Random);
        trace = trace with
        {
            Processors = 2, Owners = [.. Enumerable.Range(0, trace.UsedPages.Length).Select(region => region % 2)],
            Passes = [.. trace.Passes.Select(pass => pass with { Held = [TimeSpan.Zero, TimeSpan.Zero], Written = [pass.Written[0] / 2, pass.Written[0] / 2] })],
        };
        var guest = new ReplayGuest(trace, now: 0);
        guest.SetThrottles(0, [90, 0]);
        Assert.Equal(0.1, guest.TimeOf(0, 1), 1e-9);
        Assert.Equal(1, guest.TimeOf(1, 1), 1e-9);
        var written = guest.WrittenAt(1);
        Assert.InRange((double)written[0] / written[1], 0.05, 0.2);
        Assert.Equal([0.9, 0], guest.HeldAt(1).Select(time => time.TotalSeconds));
    }

    [Fact]
    public void What_all_has_written_grows_on_after_the_trace()
    {
        var trace = Trace(TwinGuest.Random);
        var guest = new ReplayGuest(trace, now: 0);
        var whole = trace.Passes.Sum(pass => pass.Written[0]);
        Assert.InRange(guest.WrittenAt(guest.Recorded * 3)[0] / (double)whole, 2.99, 3.01);
        Assert.InRange(guest.WrittenAt(trace.Passes[0].Duration.TotalSeconds)[0] / (double)trace.Passes[0].Written[0], 0.99, 1.01);
    }

    [Fact]
    public void A_limit_is_reached_as_it_was()
    {
        var trace = Trace(TwinGuest.Random);
        Assert.InRange(new ReachedLimit(trace).At(0.5), 0.93, 1);
        var slow = trace with
        {
            Passes = [.. trace.Passes.Select((pass, at) => pass with { Start = TimeSpan.FromSeconds(2 * at), Duration = TimeSpan.FromSeconds(2), Bytes = at == 0 ? pass.MaxBandwidth : 2 * pass.MaxBandwidth })],
        };
        var reached = new ReachedLimit(slow);
        Assert.Equal((0.5, 1.0), (reached.At(1), reached.At(3)));
        Assert.InRange(reached.At(1e6), 0.5, 1);
        // A link that was busy all the time is slow itself.
        var busy = slow with { Passes = [.. slow.Passes.Select(pass => pass with { Busy = pass.Duration })] };
        Assert.Equal(1, new ReachedLimit(busy).At(1));
        Assert.Equal(1, new ReachedLimit(slow with { Passes = [.. slow.Passes.Select(pass => pass with { MaxBandwidth = 0 })] }).At(1));
    }

    static MigrationTrace Trace(TwinGuest kind) => new RecordingTwin(kind, Pages, 30 * 256, 1, 40 * Mebibyte, 0.05).Run();
}
