using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Guests;

public sealed class DirtyRateTests
{
    static readonly TimeSpan Short = TimeSpan.FromMilliseconds(50);

    [Fact]
    public void Every_page_that_is_written_counts_once()
    {
        var guest = MemoryGuest.Create(new GuestOptions
        {
            Name = "rate", MemorySize = 4 << 20, Workload = GuestWorkload.Sequential, WorkingSet = 1 << 20, DirtyRate = 0,
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
    public void Who_gives_up_gives_the_guest_back()
    {
        var guest = MemoryGuest.Create(new GuestOptions { Name = "rate", MemorySize = 1 << 20 });
        var measurement = guest.MeasureDirtyRate(new() { Duration = TimeSpan.FromSeconds(60) });
        Assert.Null(measurement.TryFinish(TimeSpan.FromMilliseconds(1)));
        Failing.With(MigrationErrorId.GuestBusy, () => guest.MeasureDirtyRate(new()));
        Failing.With(MigrationErrorId.GuestBusy, guest.Remove);
        measurement.Dispose();
        measurement.Dispose();
        Assert.False(guest.IsBusy);
        Assert.All(guest.Memory.Blocks, block => Assert.Null(block.Log));
        guest.Remove();
    }

    static GuestDirtyRate Finish(DirtyRateMeasurement measurement)
    {
        GuestDirtyRate? rate = null;
        Patience.Until(() => (rate = measurement.TryFinish(TimeSpan.FromMilliseconds(20))) is not null, "the rate");
        return rate!;
    }
}
