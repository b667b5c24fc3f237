using PsMigrate.Engine.Measuring;

namespace PsMigrate.Engine.Tests.Measuring;

public sealed class ReadScheduleTests
{
    const long Parts = 128;
    const long Small = 1 << 18;
    static readonly TimeSpan Part = TimeSpan.FromMilliseconds(25);

    [Fact]
    public void A_guest_that_writes_a_little_is_read_at_the_end_of_every_part() =>
        Assert.Equal(Enumerable.Range(1, (int)Parts).Select(part => (long)part), Reads(1, Small, _ => 5000));

    [Fact]
    public void One_that_writes_flat_out_is_read_once_for_each_length() =>
        Assert.Equal([1, 2, 4, 8, 16, 32, 64, 128], Reads(1, Small, _ => 1_000_000));

    [Fact]
    public void So_is_one_whose_memory_takes_long_to_look_at() =>
        Assert.Equal([1, 2, 4, 8, 16, 32, 64, 128], Reads(1, 1L << 32, _ => 0));

    [Fact]
    public void As_many_vCPUs_share_the_price() => Assert.True(Reads(8, Small, _ => 40_000).Count > Reads(1, Small, _ => 40_000).Count);

    [Fact]
    public void A_burst_is_made_up_for()
    {
        // 1.6 ms a reading, of 0.5 ms that a part may cost.
        var reads = Reads(1, Small, part => part < 16 ? 20_000 : 100);
        Assert.Equal([1, 2, 4, 8, .. Enumerable.Range(16, 113).Select(part => (long)part)], reads);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Whatever_is_found_the_budget_is_kept_but_for_the_fewest_readings_and_windows_stay_whole(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 100; round++)
        {
            var most = 1 << random.Next(8, 20);
            double paid = 0, highest = 0;
            var before = 0L;
            foreach (var read in Reads(1, Small, _ => Found(random.Next(most))))
            {
                var length = read - before;
                Assert.True(long.IsPow2(length) && before % length == 0, $"From {before} to {read} is no window.");
                before = read;
            }
            // One reading for each length of windows is not asked for.
            Assert.InRange(paid, 0, (ReadSchedule.Budget * Parts * Part.TotalSeconds) + (8 * highest));

            long Found(long pages)
            {
                paid += pages * 80e-9;
                highest = Math.Max(highest, pages * 80e-9);
                return pages;
            }
        }
    }

    [Fact]
    public void One_that_came_late_goes_on_at_the_next_part_that_a_window_begins_with()
    {
        var schedule = new ReadSchedule(Part, 1, Small);
        Assert.Equal(8, schedule.Next(7, 1_000_000));
        Assert.Equal(16, schedule.Next(8, 1_000_000));
        Assert.Equal(24, schedule.Next(20, 1_000_000));
    }

    static List<long> Reads(int processors, long pages, Func<long, long> found)
    {
        var schedule = new ReadSchedule(Part, processors, pages);
        List<long> reads = [];
        for (var next = 1L; next <= Parts; next = schedule.Next(next, found(next))) reads.Add(next);
        return reads;
    }
}
