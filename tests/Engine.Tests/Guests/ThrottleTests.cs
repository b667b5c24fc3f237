using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Guests;

/// <summary>vCPUs that are held back: by how much, for whom, and what is counted.</summary>
public sealed class ThrottleTests
{
    // 10 ms on, p / (1 - p) times that off: QEMU's cpu_throttle_thread.
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0.10101)]
    [InlineData(20, 2.5)]
    [InlineData(50, 10)]
    [InlineData(75, 30)]
    [InlineData(90, 90)]
    [InlineData(99, 990)]
    public void A_slice_of_ten_milliseconds_is_followed_by_so_many_asleep(int percent, double milliseconds) =>
        Assert.Equal(milliseconds, VirtualCpu.SleepAfterSlice(percent).TotalMilliseconds, 3);

    [Fact]
    public void Each_vCPU_has_its_own_and_only_those_that_are_held_back_are_counted()
    {
        var options = TestGuests.Options(GuestWorkload.Random, TestGuests.MiB, processors: 3, rate: 0);
        var guest = MemoryGuest.Create(options);
        guest.ThrottleForMigration(1, 90);
        guest.Resume();
        Patience.Until(() => guest.ThrottledTime[1] > TimeSpan.FromMilliseconds(200), "it to be held back twice and more");
        guest.Suspend();
        Assert.Equal((TimeSpan.Zero, TimeSpan.Zero), (guest.ThrottledTime[0], guest.ThrottledTime[2]));
        Assert.Equal((0, 90, 0), (guest.Cpus[0].MigrationThrottle, guest.Cpus[1].MigrationThrottle, guest.Cpus[2].MigrationThrottle));
        Assert.Equal(90, guest.ThrottlePercent);
        Reference.AssertIntact(options, guest);
        guest.Remove();
    }

    [Theory]
    [InlineData(99, 1, 99)]
    [InlineData(99, 3, 297)]
    [InlineData(90, 0.1, 9)]
    [InlineData(50, 100, 10)]
    public void A_shorter_slice_is_followed_by_a_shorter_sleep(int percent, double slice, double milliseconds) =>
        Assert.Equal(milliseconds, VirtualCpu.SleepAfterSlice(percent, TimeSpan.FromMilliseconds(slice)).TotalMilliseconds, 3);

    [Fact]
    public void One_that_runs_in_short_slices_runs_between_its_sleeps()
    {
        var options = TestGuests.Options(GuestWorkload.Random, TestGuests.MiB, processors: 1, rate: 0);
        var guest = MemoryGuest.Create(options);
        guest.ThrottleForMigration(0, 99, TimeSpan.FromMilliseconds(1));
        guest.Resume();
        for (var i = 0; i < 5; i++)
        {
            var (ticks, held) = (guest.Ticks[0], guest.Cpus[0].ThrottledTime);
            Patience.Until(() => guest.Ticks[0] > ticks && guest.Cpus[0].ThrottledTime > held, "it to run, and to be held back");
        }
        guest.Suspend();
        Reference.AssertIntact(options, guest);
        guest.Remove();
    }

    [Fact]
    public void The_larger_of_what_its_owner_and_its_migration_ask_counts_and_neither_ends_the_other()
    {
        var guest = MemoryGuest.Create(TestGuests.Options(size: TestGuests.MiB));
        guest.ThrottlePercent = 30;
        guest.ThrottleForMigration(20);
        Assert.Equal(30, guest.ThrottlePercent);
        guest.ThrottleForMigration(50);
        Assert.Equal(50, guest.ThrottlePercent);
        guest.ThrottleForMigration(0);
        Assert.Equal(30, guest.ThrottlePercent);
        guest.ThrottleForMigration(10);
        guest.ThrottlePercent = 0;
        Assert.Equal(10, guest.ThrottlePercent);
        Assert.Equal(MigrationErrorId.InvalidParameter, Assert.Throws<MigrationException>(() => guest.ThrottleForMigration(100)).Id);
        Assert.Equal(MigrationErrorId.InvalidParameter, Assert.Throws<MigrationException>(() => guest.ThrottleForMigration(0, -1)).Id);
        guest.Remove();
    }

    [Fact]
    public void A_guest_that_stands_is_not_held_back()
    {
        // A throttle of 99 % sleeps for a second at a time, so that the stop finds it asleep.
        var guest = MemoryGuest.Create(TestGuests.Options(GuestWorkload.Random, TestGuests.MiB, processors: 1, rate: 0));
        guest.ThrottleForMigration(99);
        guest.Resume();
        var cpu = guest.Cpus[0];
        Patience.Until(() => cpu.IsAsleep && cpu.ThrottledTime > TimeSpan.Zero, "it to be held back");
        guest.Suspend();
        var counted = cpu.ThrottledTime;
        // Longer than the clock's step, and more than the sleep it was in.
        Thread.Sleep(1100);
        Assert.Equal(counted, cpu.ThrottledTime);
        guest.Remove();
    }

    [Fact]
    public void One_that_sleeps_goes_on_when_it_is_no_longer_held_back()
    {
        var options = TestGuests.Options(GuestWorkload.Random, TestGuests.MiB, processors: 1, rate: 0);
        var guest = MemoryGuest.Create(options);
        guest.Resume();
        for (var i = 0; i < 20; i++)
        {
            guest.ThrottleForMigration(99);
            Patience.Until(() => guest.Cpus[0].IsAsleep, "it to be held back");
            guest.ThrottleForMigration(0);
            TestGuests.WaitForTick(guest, guest.Ticks[0] + 1000);
        }
        Reference.AssertIntact(options, guest);
        guest.Remove();
    }
}
