using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Guests;

/// <summary>Guests that run while pages of them are missing.</summary>
public sealed class PostcopyGuestTests
{
    static GuestOptions Options(GuestWorkload workload = GuestWorkload.Random, int processors = 2, long size = 4 * TestGuests.MiB, long rate = 0) =>
        TestGuests.Options(workload, size, processors, rate: rate);

    [Theory]
    [InlineData(GuestWorkload.Random, 0L, 1)]
    [InlineData(GuestWorkload.Random, 400 * TestGuests.MiB, 2)]
    [InlineData(GuestWorkload.HotSpot, 0L, 3)]
    [InlineData(GuestWorkload.Sequential, 0L, 2)]
    [InlineData(GuestWorkload.WalkingIncrement, 400 * TestGuests.MiB, 2)]
    public void One_that_waited_for_every_page_holds_what_one_holds_that_never_did(GuestWorkload workload, long rate, int processors)
    {
        using var rig = new PostcopyRig(Options(workload, processors, rate: rate), tick: 3000, answers: true);
        rig.Guest.StopAtTick(9000);
        rig.Guest.StartArrived();
        TestGuests.WaitForTick(rig.Guest, 9000);
        var figures = rig.Faults.Figures;
        Assert.InRange(figures.Faults, processors, rig.Pages);
        Assert.Equal(figures.Faults, figures.RequestedPages);
        Assert.Equal(figures.Faults, figures.Latencies.Sum());
        rig.BringAll();
        Assert.Equal(rig.Pages, rig.Faults.Figures.Pages);
        rig.Guest.EndPostcopy();
        Reference.AssertIntact(rig.Options, rig.Guest);
        // It goes on like any other, without a look at a page.
        rig.Guest.StopAtTick(12_000);
        rig.Guest.Resume();
        TestGuests.WaitForTick(rig.Guest, 12_000);
        Assert.Equal(figures.Faults, rig.Faults.Figures.Faults);
        Reference.AssertIntact(rig.Options, rig.Guest);
    }

    [Fact]
    public void Without_a_bitmap_to_look_at_it_asks_for_each_page_and_waits_for_the_same_ones()
    {
        var seen = new List<(long Faults, string Digest)>();
        foreach (var looks in (bool[])[true, false])
        {
            using var rig = new PostcopyRig(Options(), answers: true);
            if (!looks) rig.Faults.Bitmaps = null;
            rig.Guest.StopAtTick(4000);
            rig.Guest.StartArrived();
            TestGuests.WaitForTick(rig.Guest, 4000);
            var faults = rig.Faults.Figures.Faults;
            rig.BringAll();
            rig.Guest.EndPostcopy();
            Reference.AssertIntact(rig.Options, rig.Guest);
            seen.Add((faults, rig.Guest.Digest()));
        }
        Assert.Equal(seen[0], seen[1]);
    }

    /// <summary>
    /// Pages come from two threads, in the order in which they lie and because they are asked for, while vCPUs run into them and are stopped
    /// and started: a wake-up that is lost leaves a vCPU asleep for good, since each page comes once.
    /// </summary>
    [Fact]
    public void Nobody_sleeps_on_while_pages_come_from_all_sides()
    {
        for (var round = 0; round < 12; round++)
        {
            using var rig = new PostcopyRig(Options(processors: 4, size: 16 * TestGuests.MiB), answers: true);
            rig.Guest.StopAtTick(20_000);
            rig.Guest.StartArrived();
            var pushing = Task.Factory.StartNew(rig.BringAll, TaskCreationOptions.LongRunning);
            for (var i = 0; i < 60; i++)
            {
                rig.Guest.Suspend();
                rig.Guest.Resume();
            }
            TestGuests.WaitForTick(rig.Guest, 20_000);
            Assert.True(Patience.Within(() => pushing.Wait(Patience.Limit), "all pages"));
            rig.Guest.EndPostcopy();
            Reference.AssertIntact(rig.Options, rig.Guest);
        }
    }

    [Fact]
    public void A_tick_that_needs_a_missing_page_is_not_begun()
    {
        using var rig = new PostcopyRig(Options(), tick: 100);
        var before = rig.Source.Cpus.Select(cpu => cpu.Registers).ToArray();
        rig.Guest.StartArrived();
        for (var cpu = 0; cpu < 2; cpu++) rig.WaitForFault(cpu);
        Assert.Equal(GuestState.Running, rig.Guest.State);
        Assert.Equal(2, rig.Requests.Distinct().Count());
        rig.Guest.Suspend();
        for (var cpu = 0; cpu < 2; cpu++)
        {
            var now = rig.Guest.Cpus[cpu].Registers;
            Assert.Equal((before[cpu].Tick, before[cpu].Cursor, before[cpu].Random), (now.Tick, now.Cursor, now.Random));
        }
        Assert.True(Enumerable.Range(0, (int)rig.Pages / RamBlock.PagesPerChunk).All(chunk => !rig.Guest.Memory.Ram.IsTouched(chunk)));
    }

    [Fact]
    public void One_that_waits_is_stopped_without_its_page_and_waits_on_when_it_is_started_again()
    {
        using var rig = new PostcopyRig(Options(processors: 1));
        rig.Guest.StartArrived();
        rig.WaitForFault();
        for (var i = 0; i < 100; i++)
        {
            rig.Guest.Suspend();
            if (i % 2 == 0) Assert.Equal(GuestState.Suspended, rig.Guest.State);
            rig.Guest.Resume();
        }
        rig.WaitForFault();
        Assert.True(rig.Guest.StopForSwitchover());
        rig.Guest.ReturnToSource();
        Assert.Equal((1, 1), (rig.Faults.Figures.Faults, rig.Faults.Figures.RequestedPages));
        Assert.Equal(0, rig.Guest.Ticks[0]);
        // It came while the guest stood: then there is nothing to wait for.
        rig.Guest.Suspend();
        rig.Bring(rig.Requests[0]);
        rig.Guest.Resume();
        TestGuests.WaitForTick(rig.Guest, 1);
        Assert.Equal(1, rig.Faults.Figures.Latencies.Sum());
    }

    [Fact]
    public void One_that_waits_stands_at_the_tick_it_is_told_and_is_not_blocked_there()
    {
        using var rig = new PostcopyRig(Options(processors: 1));
        rig.Guest.StartArrived();
        rig.WaitForFault();
        rig.Guest.StopAtTick(0);
        TimeSpan blocked = default;
        Patience.Until(() =>
        {
            var seen = blocked;
            blocked = rig.Faults.Figures.BlockedTimes[0];
            return blocked == seen;
        }, "the vCPU to stand at its tick");
        rig.Bring(rig.Requests[0]);
        rig.Guest.StopAtTick(1);
        TestGuests.WaitForTick(rig.Guest, 1);
        rig.Guest.Suspend();
        Assert.Equal(1, rig.Guest.Ticks[0]);
        Assert.Equal(1, rig.Faults.Figures.Faults);
    }

    [Fact]
    public void While_pages_are_missing_whatever_needs_them_all_is_refused()
    {
        using var rig = new PostcopyRig(Options());
        foreach (var isRunning in (bool[])[true, false])
        {
            if (isRunning) rig.Guest.StartArrived();
            else rig.Guest.Suspend();
            Assert.True(rig.Guest.IsBusy);
            var reasons = new Action[]
            {
                () => rig.Guest.Digest(), rig.Guest.Remove, () => rig.Guest.MeasureDirtyRate(new()),
                () => rig.Guest.Claim(this, Guid.NewGuid(), keepsSource: false),
                () => GuestSave.Start(rig.Guest, new SaveOptions { Path = "/nowhere/at/all" }),
            }.Select(refused => Assert.Throws<MigrationException>(refused)).ToList();
            Assert.All(reasons, reason => Assert.Equal(MigrationErrorId.GuestBusy, reason.Id));
            Assert.All(reasons, reason => Assert.Contains("postcopy", reason.Message, StringComparison.Ordinal));
        }
        rig.BringAll();
        rig.Guest.EndPostcopy();
        Assert.False(rig.Guest.IsBusy);
        rig.Guest.MeasureDirtyRate(new()).Dispose();
        rig.Guest.Claim(this, Guid.NewGuid(), keepsSource: false);
        rig.Guest.Unclaim(this);
        Reference.AssertIntact(rig.Options, rig.Guest);
        rig.Guest.Lose("Nothing is missing any more.");
        Assert.Equal(GuestState.Suspended, rig.Guest.State);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_guest_whose_pages_never_come_stops_for_good_and_can_be_removed(bool isRunning)
    {
        using var rig = new PostcopyRig(Options());
        if (isRunning)
        {
            rig.Guest.StartArrived();
            rig.WaitForFault();
        }
        rig.Guest.Lose("The source is gone.");
        Assert.Equal(GuestState.Lost, rig.Guest.State);
        Assert.False(rig.Guest.IsBusy);
        foreach (var refused in (Action[])[() => rig.Guest.Resume(), () => rig.Guest.Resume(force: true), () => rig.Guest.Digest(),
            () => rig.Guest.MeasureDirtyRate(new()), () => rig.Guest.Claim(this, Guid.NewGuid(), keepsSource: false)])
        {
            var reason = Assert.Throws<MigrationException>(refused);
            Assert.Equal((MigrationErrorId.GuestLost, GuestLocation.Lost), (reason.Id, reason.Location));
            Assert.Contains("The source is gone.", reason.Message, StringComparison.Ordinal);
        }
        Failing.With(MigrationErrorId.GuestBusy, rig.Guest.Suspend);
        // Pages that come all the same wake nobody.
        rig.BringAll();
        Assert.All(rig.Guest.Cpus, cpu => Assert.False(cpu.IsAsleep));
        rig.Guest.Remove();
        Assert.Equal(GuestState.Removed, rig.Guest.State);
    }

    [Fact]
    public void The_guest_that_stayed_behind_goes_on_only_by_force_when_the_other_is_lost()
    {
        var options = Options();
        var guest = MemoryGuest.Create(options);
        guest.Resume();
        TestGuests.WaitForTick(guest, 500);
        guest.StopForSwitchover();
        guest.HandOver("tcp:there:1", GuestLocation.Destination);
        guest.LoseAtDestination("tcp:there:1", mayRunThere: false);
        Assert.Equal((GuestState.Lost, "tcp:there:1"), (guest.State, guest.MovedTo));
        var ticks = guest.Ticks;
        foreach (var refused in (Action[])[() => guest.Resume(), () => guest.MeasureDirtyRate(new()), () => guest.Claim(this, Guid.NewGuid(), keepsSource: false)])
        {
            var reason = Assert.Throws<MigrationException>(refused);
            Assert.Equal((MigrationErrorId.GuestLost, GuestLocation.Lost), (reason.Id, reason.Location));
            Assert.Contains("tcp:there:1", reason.Message, StringComparison.Ordinal);
        }
        Assert.Equal(Reference.DigestAt(options, ticks), guest.Digest());
        guest.Resume(force: true);
        Assert.Equal((GuestState.Running, null), (guest.State, guest.MovedTo));
        TestGuests.WaitForTick(guest, ticks.Max() + 1);
        Reference.AssertIntact(options, guest);
        guest.Remove();
    }
}
