using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Measuring;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Measuring;

/// <summary>
/// Guests whose curve is known. They run a number of ticks, stand, and the log is read: time is counted in their ticks, so that no clock
/// and no load of the machine has a part in it, and the same seed gives the same figures.
/// </summary>
public sealed class KnownCurveTests
{
    const int Ticks = 96;
    const int Parts = 64;

    [Theory]
    [InlineData(1, 4096)]
    [InlineData(2, 1000)]
    [InlineData(3, 100)]
    public void One_page_after_the_other_rises_straight_up_to_the_working_set(int cpus, int pages)
    {
        var points = Measure(GuestWorkload.Sequential, cpus, pages);
        for (var i = 0; i < points.Length; i++)
        {
            var written = Enumerable.Range(0, cpus).Sum(cpu => Math.Min(Ticks << i, (pages * (cpu + 1) / cpus) - (pages * cpu / cpus))) * 4096.0;
            Assert.Equal((written, written, written, Parts >> i),
                (points[i].Bytes, points[i].LeastBytes, points[i].MostBytes, points[i].Samples));
        }
    }

    [Theory]
    [InlineData(1, 512)]
    [InlineData(2, 3000)]
    public void Any_page_fills_the_working_set_as_an_exponential_does(int cpus, int pages)
    {
        var points = Measure(GuestWorkload.Random, cpus, pages);
        var share = (double)pages / cpus;
        for (var i = 0; i < points.Length; i++)
        {
            var expected = cpus * share * (1 - Math.Exp(-(Ticks << i) / share)) * 4096;
            Assert.InRange(points[i].Bytes, expected * 0.96, expected * 1.04);
            Assert.InRange(points[i].Bytes, points[i].LeastBytes, points[i].MostBytes);
        }
    }

    [Fact]
    public void Hot_pages_bend_the_curve()
    {
        const int Pages = 1024;
        var points = Measure(GuestWorkload.HotSpot, 1, Pages);
        for (var i = 0; i < points.Length; i++)
        {
            // Eleven octaves of ranks (1, 2, 4, … 512, and the one left), each as likely as the next.
            double expected = 0;
            for (var octave = 0; octave <= 10; octave++)
            {
                double first = 1 << octave, size = Math.Min(first, Pages - first + 1);
                expected += size * (1 - Math.Pow(1 - (1 / (11 * size)), Ticks << i)) * 4096;
            }
            Assert.InRange(points[i].Bytes, expected * 0.95, expected * 1.05);
            // Less than in proportion to the time, and never less than in half of it.
            if (i > 0) Assert.InRange(points[i].Bytes, points[i - 1].Bytes, points[i - 1].Bytes * 1.95);
        }
    }

    [Fact]
    public void Nothing_is_dirtied_by_one_that_idles() =>
        Assert.All(Measure(GuestWorkload.Idle, 2, 256), point => Assert.Equal((0.0, 0.0), (point.Bytes, point.MostBytes)));

    [Theory]
    [InlineData(4096)]
    [InlineData(1000)]
    public void One_that_walks_is_seen_where_it_stands(int pages)
    {
        Measure(GuestWorkload.Sequential, 1, pages, out var places);
        Assert.Equal(new DirtyWalk(Ticks * Parts % pages * 4096L, 0, pages * 4096L), places!.Walk);
        // Of 4096 pages, 16 of which are a cell.
        Assert.Equal(Enumerable.Range(0, 256).Select(cell => Math.Clamp(pages - (cell * 16), 0, 16) / (double)pages), places.Late);
    }

    [Theory]
    [InlineData(GuestWorkload.Random, 1)]
    [InlineData(GuestWorkload.HotSpot, 1)]
    [InlineData(GuestWorkload.Sequential, 2)]
    public void Others_are_seen_where_they_write(GuestWorkload workload, int cpus)
    {
        Measure(workload, cpus, 2048, out var places);
        Assert.Null(places!.Walk);
        foreach (var shares in new[] { places.Soon, places.Late })
        {
            Assert.Equal(1, shares.Sum(), 6);
            Assert.Equal(0, shares[128..].Sum());
            Assert.Equal(0.5, shares[..64].Sum(), 0.1);
        }
    }

    static DirtyCurvePoint[] Measure(GuestWorkload workload, int cpus, int pages) => Measure(workload, cpus, pages, out _);

    static DirtyCurvePoint[] Measure(GuestWorkload workload, int cpus, int pages, out DirtyPlaces? places)
    {
        var guest = MemoryGuest.Create(new GuestOptions
        {
            Name = TestGuests.UniqueName(), MemorySize = 16 << 20, ProcessorCount = cpus, Workload = workload, DirtyRate = 0,
            WorkingSet = pages * 4096L, Seed = 7,
        });
        try
        {
            guest.StartLog();
            var windows = new DirtyWindows(guest.Memory.Blocks.Select(block => block.Log!), DirtyWindows.Finest * Parts);
            guest.StopAtTick(0);
            guest.Resume();
            for (var part = 1; part <= Parts; part++)
            {
                guest.StopAtTick(part * Ticks);
                if (workload != GuestWorkload.Idle) TestGuests.WaitForTick(guest, part * Ticks);
                windows.Take();
                if (part < Parts) windows.Close(windows.Part * part);
            }
            var points = windows.End(windows.Part * Parts);
            places = windows.Places;
            Assert.Equal(Enumerable.Range(0, 7).Select(i => DirtyWindows.Finest * (1 << i)), points.Select(point => point.Interval));
            return points;
        }
        finally
        {
            guest.Remove();
        }
    }
}
