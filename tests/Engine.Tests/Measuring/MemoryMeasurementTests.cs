using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Measuring;

public sealed class MemoryMeasurementTests
{
    const long MiB = 1 << 20;
    static readonly TimeSpan Short = TimeSpan.FromMilliseconds(50);

    [Fact]
    public void Every_page_that_is_written_counts_once()
    {
        var guest = MemoryGuest.Create(new GuestOptions
        {
            Name = "rate", MemorySize = 4 * MiB, Workload = GuestWorkload.Sequential, WorkingSet = MiB, DirtyRate = 0,
        });
        guest.StopAtTick(100);
        using var measurement = guest.MeasureDirtyRate(new() { Duration = Short });
        Assert.True(guest.IsBusy);
        guest.Resume();
        Patience.Until(() => guest.Ticks[0] == 100, "a hundred writes");
        var rate = Finish(measurement);
        Assert.Equal(100 * 4096, rate.DirtyRate * rate.Duration.TotalSeconds, 0.5);
        Assert.False(guest.IsBusy);
        // Nothing more is written: the log was taken off and put on anew.
        using var next = guest.MeasureDirtyRate(new() { Duration = Short });
        Assert.Equal(0, Finish(next).DirtyRate);
        guest.Suspend();
        guest.Remove();
    }

    [Fact]
    public void The_whole_counts_all_writes_and_each_vCPU_its_own()
    {
        var guest = MemoryGuest.Create(new GuestOptions
        {
            Name = "curve", MemorySize = 8 * MiB, ProcessorCount = 3, Workload = GuestWorkload.Sequential, WorkingSet = 4 * MiB, DirtyRate = 4 * MiB,
        });
        var before = guest.Ticks;
        guest.Resume();
        using var measurement = guest.MeasureDirtyRate(new() { Duration = TimeSpan.FromMilliseconds(400) });
        var rate = Finish(measurement);
        guest.Suspend();
        var curve = rate.Curve!;
        Assert.Equal((8 * MiB, rate.Duration, (double)rate.WrittenBytes, 1),
            (curve.TotalBytes, curve.Points[^1].Interval, curve.Points[^1].Bytes, curve.Points[^1].Samples));
        // What was written before the log went on and after it went off is in the ticks, too.
        Assert.InRange(rate.WrittenBytes, 0, guest.Ticks.Zip(before).Sum(tick => tick.First - tick.Second) * 4096);
        Assert.Equal([0, 1, 2], rate.Vcpus.Select(cpu => cpu.Id));
        Assert.Equal(rate.DirtyRate, rate.Vcpus.Sum(cpu => cpu.DirtyRate), 1);
        AssertRises(curve);
        guest.Remove();
    }

    [Fact]
    public void A_guest_that_stands_writes_nothing_in_any_window()
    {
        var guest = MemoryGuest.Create(new GuestOptions { Name = "idle", MemorySize = MiB, Content = GuestContent.Random });
        using var measurement = guest.MeasureDirtyRate(new() { Duration = TimeSpan.FromMilliseconds(200) });
        var rate = Finish(measurement);
        Assert.All(rate.Curve!.Points, point => Assert.Equal((0.0, 0.0, 0.0), (point.Bytes, point.LeastBytes, point.MostBytes)));
        Assert.Equal((0L, 0L), (rate.WrittenBytes, rate.WorkingSet));
        Assert.Equal((MiB, 0.0, 1.0, null), (rate.Curve.UsedBytes, rate.Curve.ZeroShare, rate.Curve.CompressedShare, rate.Curve.DeltaShare));
        Assert.Equal(0, Assert.Single(rate.Vcpus).DirtyRate);
        guest.Remove();
    }

    [Fact]
    public void Who_gives_up_gives_the_guest_back()
    {
        var guest = MemoryGuest.Create(new GuestOptions { Name = "rate", MemorySize = 1 << 20 });
        var measurement = guest.MeasureDirtyRate(new() { Duration = TimeSpan.FromSeconds(60) });
        Assert.Null(measurement.TryFinish(TimeSpan.FromMilliseconds(1)));
        Failing.With(MigrationErrorId.GuestBusy, () => guest.MeasureDirtyRate(new()));
        Failing.With(MigrationErrorId.GuestBusy, guest.Remove);
        measurement.Dispose();
        measurement.Dispose();
        Assert.Null(measurement.TryFinish(TimeSpan.Zero));
        Assert.False(guest.IsBusy);
        Assert.All(guest.Memory.Blocks, block => Assert.Null(block.Log));
        guest.Remove();
    }

    // Windows of all lengths cover the same time, but for those that were read late; the whole covers all.
    static void AssertRises(DirtyCurve curve)
    {
        for (var i = 0; i < curve.Points.Length; i++)
        {
            var point = curve.Points[i];
            Assert.InRange(point.Bytes, point.LeastBytes, point.MostBytes);
            Assert.InRange(point.MostBytes, 0, curve.Points[^1].Bytes);
            if (i > 0) Assert.True(curve.Points[i - 1].Interval < point.Interval);
        }
    }

    static GuestDirtyRate Finish(DirtyRateMeasurement measurement)
    {
        GuestDirtyRate? rate = null;
        Patience.Until(() => (rate = measurement.TryFinish(TimeSpan.FromMilliseconds(20))) is not null, "the rate");
        return rate!;
    }
}
