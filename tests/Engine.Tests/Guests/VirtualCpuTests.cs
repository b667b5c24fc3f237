using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Guests;

/// <summary>vCPUs stand where they are told to, and go on from there.</summary>
public sealed class VirtualCpuTests
{
    [Theory]
    [InlineData(0L)]
    [InlineData(400L << 20)]
    public void Each_stands_at_exactly_the_tick_it_was_told(long rate)
    {
        var guest = MemoryGuest.Create(TestGuests.Options(GuestWorkload.Random, TestGuests.MiB, processors: 3, rate: rate));
        foreach (var tick in new long[] { 1, 2, 700, 701, 5000 })
        {
            guest.StopAtTick(tick);
            guest.Resume();
            TestGuests.WaitForTick(guest, tick);
            Assert.Equal([tick, tick, tick], guest.Ticks);
            Assert.Equal(GuestState.Running, guest.State);
        }
        guest.StopAtTick(null);
        TestGuests.WaitForTick(guest, 5001);
        guest.Remove();
    }

    [Fact]
    public void It_says_when_it_first_and_last_had_ticks_done()
    {
        var guest = MemoryGuest.Create(TestGuests.Options(GuestWorkload.Random, TestGuests.MiB, processors: 1, rate: 0));
        var cpu = guest.Cpus[0];
        Assert.Equal((0, 0), (cpu.FirstTickTime, cpu.LastTickTime));
        var before = System.Diagnostics.Stopwatch.GetTimestamp();
        guest.StopAtTick(1);
        guest.Resume();
        TestGuests.WaitForTick(guest, 1);
        guest.Suspend();
        var between = System.Diagnostics.Stopwatch.GetTimestamp();
        Assert.InRange(cpu.FirstTickTime, before, between);
        Assert.Equal(cpu.FirstTickTime, cpu.LastTickTime);
        guest.StopAtTick(2);
        guest.Resume();
        TestGuests.WaitForTick(guest, 2);
        guest.Suspend();
        Assert.InRange(cpu.FirstTickTime, before, between);
        Assert.InRange(cpu.LastTickTime, between, System.Diagnostics.Stopwatch.GetTimestamp());
        guest.Remove();
    }

    [Fact]
    public void A_suspended_guest_stands_and_a_digest_does_not_disturb_a_running_one()
    {
        var options = TestGuests.Options(rate: 0);
        var guest = MemoryGuest.Create(options);
        guest.Resume();
        for (var i = 0; i < 20; i++) Assert.Equal(32, guest.Digest().Length);
        Assert.Equal(GuestState.Running, guest.State);
        guest.Suspend();
        var (ticks, digest) = (guest.Ticks, guest.Digest());
        Assert.Equal(ticks, guest.Ticks);
        Assert.Equal(digest, guest.Digest());
        Assert.Equal(Reference.DigestAt(options, ticks), digest);
        guest.Remove();
    }

    [Fact]
    public void Stopped_and_started_many_times_it_is_still_the_guest_that_stayed()
    {
        var options = TestGuests.Options(size: TestGuests.MiB, rate: 0);
        var guest = MemoryGuest.Create(options);
        for (var i = 0; i < 100; i++)
        {
            guest.Resume();
            if (i % 3 == 0) guest.ThrottlePercent = i % 99;
            guest.Suspend();
        }
        Reference.AssertIntact(options, guest);
        guest.Remove();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void One_that_sleeps_is_stopped_without_being_woken(bool isThrottled)
    {
        var options = TestGuests.Options(GuestWorkload.Random, TestGuests.MiB, processors: 1, rate: isThrottled ? 0 : 4096);
        var guest = MemoryGuest.Create(options);
        var cpu = guest.Cpus[0];
        // A throttle of 99 % sleeps for a second at a time.
        guest.ThrottlePercent = isThrottled ? 99 : 0;
        var stops = 0;
        Patience.Until(() =>
        {
            guest.Resume();
            Patience.Until(() => cpu.IsAsleep, "it to sleep");
            guest.Suspend();
            stops++;
            // It may have woken by itself in between, but not each time.
            return cpu.AwaitedStops < stops;
        }, "a stop that found it asleep");
        var ticks = guest.Ticks;
        Assert.False(cpu.IsAsleep);
        Reference.AssertIntact(options, guest);
        // It goes on from there, and makes up for nothing.
        guest.ThrottlePercent = 0;
        guest.Resume();
        TestGuests.WaitForTick(guest, ticks[0] + 1);
        Reference.AssertIntact(options, guest);
        guest.Remove();
    }

    [Fact]
    public void Stopped_and_started_while_it_sleeps_it_runs_once()
    {
        var options = TestGuests.Options(GuestWorkload.Random, TestGuests.MiB, rate: 20 * TestGuests.MiB);
        var guest = MemoryGuest.Create(options);
        guest.Resume();
        for (var i = 0; i < 2000; i++)
        {
            // A digest stops and starts it and keeps its threads; a suspension gives them up.
            if (i % 50 == 0)
            {
                guest.Suspend();
                guest.Resume();
            }
            else guest.AtTickBoundary(() => guest.Ticks);
        }
        guest.Suspend();
        var stopped = guest.Ticks;
        Assert.Equal(stopped, guest.Ticks);
        Reference.AssertIntact(options, guest);
        guest.Remove();
    }

    [Fact]
    public void A_throttled_guest_is_held_back_and_can_be_stopped_meanwhile()
    {
        var options = TestGuests.Options(size: TestGuests.MiB, rate: 0);
        var guest = MemoryGuest.Create(options);
        guest.ThrottlePercent = 99;
        guest.Resume();
        Patience.Until(() => guest.Cpus.All(cpu => cpu.ThrottledTime > TimeSpan.Zero), "both vCPUs to be held back");
        guest.Suspend();
        Reference.AssertIntact(options, guest);
        Assert.Equal(MigrationErrorId.InvalidParameter, Assert.Throws<MigrationException>(() => guest.ThrottlePercent = 100).Id);
        guest.Remove();
    }

    [Fact]
    public void Everything_a_vCPU_writes_while_the_log_is_on_is_in_the_log()
    {
        var options = TestGuests.Options(size: TestGuests.MiB, rate: 0);
        var guest = MemoryGuest.Create(options);
        var before = new byte[options.MemorySize];
        guest.Memory.Ram.Span(0, before.Length).CopyTo(before);
        guest.Memory.StartLog();
        guest.StopAtTick(40);
        guest.Resume();
        TestGuests.WaitForTick(guest, 40);
        guest.Suspend();
        var found = new PageBitmap(guest.Memory.Ram.Pages);
        found.Collect(guest.Memory.Ram.Log!);
        for (var page = 0; page < guest.Memory.Ram.Pages; page++)
            if (!guest.Memory.Ram.Page(page).SequenceEqual(before.AsSpan(page * GuestMemory.PageSize, GuestMemory.PageSize)))
                Assert.True(found.IsSet(page), $"Page {page} was written and not logged.");
        Assert.InRange(found.Count, 2, 80);
        guest.Remove();
    }

    [Fact]
    public void Ten_threads_that_suspend_resume_and_look_agree_at_the_end()
    {
        var options = TestGuests.Options(size: TestGuests.MiB, rate: 0);
        var guest = MemoryGuest.Create(options);
        Patience.Within(() =>
        {
            Parallel.For(0, 10, new ParallelOptions { MaxDegreeOfParallelism = 10 }, who =>
            {
                for (var i = 0; i < 30; i++)
                {
                    if (who % 3 == 0) guest.Suspend();
                    else if (who % 3 == 1) guest.Resume();
                    else _ = guest.Digest();
                }
            });
            return true;
        }, "ten threads");
        Reference.AssertIntact(options, guest);
        guest.Remove();
    }
}
