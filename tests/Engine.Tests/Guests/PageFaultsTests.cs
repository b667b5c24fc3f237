using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Guests;

/// <summary>Who waits for which page, and what it costs; without a guest.</summary>
public sealed class PageFaultsTests : IDisposable
{
    const int Pages = 4096;

    readonly GuestMemory _memory = new([("ram", (long)Pages * GuestMemory.PageSize), ("rom", GuestMemory.PageSize)]);
    readonly bool[] _come = new bool[Pages];
    readonly List<long> _requests = [];
    int _woken;

    /// <summary>
    /// Who waits raises the count and looks again, who brings marks and looks at the count: when both are through, the one has seen the page
    /// or the other has woken it. The mark is a plain store here, so that the fence between it and the look is that of the class.
    /// </summary>
    [Fact]
    public void No_wake_up_is_lost_between_one_who_waits_and_one_who_brings()
    {
        var faults = new PageFaults(1, (_, page) => Volatile.Read(ref _come[page]), (_, _) => { });
        var (begun, brought, isOver) = (0, 0, false);
        var cold = new long[4 << 20];
        var bringer = new Thread(() =>
        {
            for (var round = 1; ; round++)
            {
                while (Volatile.Read(ref begun) < round && !Volatile.Read(ref isOver)) Thread.SpinWait(1);
                if (Volatile.Read(ref isOver)) return;
                for (var spin = round % 50; spin > 0; spin--) Thread.SpinWait(1);
                // Stores before it keep the mark waiting in the core, which is when a look that is not fenced overtakes it.
                for (var i = 0; i < 12; i++) cold[((round * 12L) + i) * 4099 % cold.Length] = round;
                Volatile.Write(ref _come[round % Pages], true);
                faults.PageCame(_memory.Ram, round % Pages, 1);
                Volatile.Write(ref brought, round);
            }
        });
        bringer.Start();
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var (lost, waited, rounds) = (0, 0, 0);
        // A machine that hardly gets to it goes on until both have happened: one came first, and the other.
        while ((rounds < 1_000_000 && clock.Elapsed < TimeSpan.FromSeconds(3)) || ((waited == 0 || waited == rounds) && clock.Elapsed < Patience.Limit))
        {
            rounds++;
            var page = rounds % Pages;
            Volatile.Write(ref _come[page], false);
            Volatile.Write(ref _woken, 0);
            Volatile.Write(ref begun, rounds);
            for (var spin = rounds % 31; spin > 0; spin--) Thread.SpinWait(1);
            var waits = faults.Begin(0, _memory.Ram, page, Wake);
            while (Volatile.Read(ref brought) < rounds) Thread.SpinWait(1);
            if (waits) waited++;
            if (waits && Volatile.Read(ref _woken) == 0) lost++;
            faults.Pause(0);
        }
        Volatile.Write(ref isOver, true);
        Assert.True(bringer.Join(Patience.Limit));
        Assert.True(lost == 0, $"{lost} of {waited} wake-ups were lost, in {rounds} rounds.");
        Assert.InRange(waited, 1, rounds - 1);
        Assert.Equal(waited, faults.Figures.Faults);
        Assert.Equal(waited, faults.Figures.Latencies.Sum());
    }

    [Fact]
    public void A_page_is_asked_for_once_however_many_wait_and_once_more_after_a_recovery()
    {
        var faults = Make(4);
        Assert.True(faults.Begin(0, _memory.Ram, 7, Wake));
        Assert.True(faults.Begin(1, _memory.Ram, 9, Wake));
        Assert.True(faults.Begin(2, _memory.Ram, 7, Wake));
        Assert.Equal([7L, 9], _requests);
        // Stopped and started, it has asked already.
        faults.Pause(1);
        Assert.True(faults.Begin(1, _memory.Ram, 9, Wake));
        Assert.Equal([7L, 9], _requests);
        faults.Pause(1);
        faults.RequestAgain();
        Assert.Equal([7L, 7, 9, 9], _requests.Order());
        Bring(faults, 7);
        Assert.Equal(2, _woken);
        faults.RequestAgain();
        Assert.Equal([7L, 7, 9, 9, 9], _requests.Order());
        Assert.Equal((3, 2, 2), (faults.Figures.Faults, faults.Figures.RequestedPages, faults.Figures.Latencies.Sum()));
        Assert.False(faults.Begin(3, _memory.Ram, 7, Wake));
        Assert.Equal(3, faults.Figures.Faults);
    }

    [Fact]
    public void Only_who_waits_for_one_of_the_pages_is_woken()
    {
        var faults = Make(100);
        for (var cpu = 0; cpu < 100; cpu++) Assert.True(faults.Begin(cpu, _memory.Ram, 1000 + cpu, Wake));
        faults.PageCame(_memory.Blocks[1], 1000, 100);
        faults.PageCame(_memory.Ram, 900, 100);
        faults.PageCame(_memory.Ram, 1100, 900);
        Assert.Equal(0, _woken);
        faults.PageCame(_memory.Ram, 1010, 1);
        Assert.Equal(1, _woken);
        // More than are woken at a time.
        faults.PageCame(_memory.Ram, 1000, 100);
        Assert.Equal(100, _woken);
        Assert.Equal(100, faults.Figures.Latencies.Sum());
        Assert.Equal(1201, faults.Figures.Pages);
    }

    [Fact]
    public void One_that_goes_on_before_it_is_told_ends_its_fault_with_the_next()
    {
        var faults = Make(2);
        Assert.True(faults.Begin(0, _memory.Ram, 3, Wake));
        _come[3] = true;
        faults.Pause(0);
        Assert.True(faults.Begin(0, _memory.Ram, 4, Wake));
        Assert.Equal((2, 1), (faults.Figures.Faults, faults.Figures.Latencies.Sum()));
        faults.PageCame(_memory.Ram, 3, 1);
        Assert.Equal(0, _woken);
        Bring(faults, 4);
        Assert.Equal((1, 2), (_woken, faults.Figures.Latencies.Sum()));
    }

    [Fact]
    public void Blocked_together_are_they_only_while_all_that_run_wait()
    {
        var faults = Make(3);
        faults.Runners = 2;
        Assert.True(faults.Begin(0, _memory.Ram, 1, Wake));
        Spend();
        Assert.Equal(TimeSpan.Zero, faults.Figures.BlockedTime);
        Assert.True(faults.Begin(2, _memory.Ram, 2, Wake));
        Spend();
        Assert.InRange(faults.Figures.BlockedTime, Slice, TimeSpan.MaxValue);
        Bring(faults, 1);
        var figures = faults.Figures;
        Spend();
        var later = faults.Figures;
        Assert.Equal(figures.BlockedTime, later.BlockedTime);
        Assert.Equal(figures.BlockedTimes[0], later.BlockedTimes[0]);
        Assert.InRange(later.BlockedTimes[0], figures.BlockedTime + Slice, TimeSpan.MaxValue);
        Assert.InRange(later.BlockedTimes[2], figures.BlockedTime + Slice, TimeSpan.MaxValue);
        Assert.Equal(TimeSpan.Zero, later.BlockedTimes[1]);
        // Stopped, the other is not blocked any more; its fault goes on.
        faults.Pause(2);
        var stopped = faults.Figures;
        Spend();
        Assert.Equal(stopped.BlockedTimes, faults.Figures.BlockedTimes);
        Bring(faults, 2);
        var ended = faults.Figures;
        Assert.Equal(stopped.BlockedTimes, ended.BlockedTimes);
        Assert.InRange(ended.WorstLatency, stopped.BlockedTimes[2] + Slice, TimeSpan.MaxValue);
        Assert.InRange(ended.MedianLatency, stopped.BlockedTimes[0], ended.WorstLatency);
        Assert.Equal(ended.WorstLatency, ended.Latency99);
    }

    [Fact]
    public void A_fault_allocates_nothing()
    {
        var faults = Make(1, request: (_, _) => { });
        Action wake = Wake;
        Round(64);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Round(Pages);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void Round(int pages)
        {
            for (var page = 0; page < pages; page++)
            {
                _come[page] = false;
                faults.Begin(0, _memory.Ram, page, wake);
                Bring(faults, page);
                faults.Pause(0);
            }
        }
    }

    public void Dispose() => _memory.Release();

    static TimeSpan Slice => TimeSpan.FromMilliseconds(5);

    static void Spend()
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (clock.Elapsed < Slice) Thread.Sleep(1);
    }

    PageFaults Make(int processors, Action<RamBlock, long>? request = null) =>
        new(processors, (_, page) => Volatile.Read(ref _come[page]), request ?? ((_, page) => _requests.Add(page)));

    void Bring(PageFaults faults, int page)
    {
        Volatile.Write(ref _come[page], true);
        faults.PageCame(_memory.Ram, page, 1);
    }

    void Wake() => Volatile.Write(ref _woken, _woken + 1);
}
