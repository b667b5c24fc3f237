using System.Diagnostics;

namespace PsMigrate.Engine.Guests;

/// <summary>
/// A vCPU: a thread that runs a deterministic program tick by tick. It can be stopped between any two ticks, and goes on
/// from its registers wherever they are loaded. Rates are kept by the clock, the ticks themselves know nothing of it. One that sleeps, also
/// for a page that is missing, stands between two ticks already: it is stopped without being woken.
/// </summary>
sealed partial class VirtualCpu
{
    // What a late vCPU may make up for at once; the rest of a delay is given up, so that no burst follows a stall.
    static readonly long MaxCatchUp = Stopwatch.Frequency / 50;

    readonly RamBlock _ram;
    readonly object _gate = new();
    CpuRegisters _registers;
    CpuThread? _thread;
    // Each start has a number of its own, and 0 is to stand: a thread that slept through a stop and a start sees that it is not meant.
    volatile int _run;
    int _lastRun;
    // The run whose thread may be inside a tick; only that thread, or a stop that finds it asleep, ends it.
    int _running;
    // The run whose thread sleeps; one of an earlier run may sleep still while another thread is at it.
    int _asleep;
    ulong _stopAtTick = ulong.MaxValue;
    long _missedTicks;
    long _firstTickTime;
    long _lastTickTime;

    public VirtualCpu(int index, GuestProgram program, CpuRegisters registers, RamBlock ram)
    {
        Index = index;
        Program = program;
        _registers = registers;
        _ram = ram;
    }

    public int Index { get; }

    public GuestProgram Program { get; }

    /// <summary>The registers. Whole only while the vCPU stands.</summary>
    public CpuRegisters Registers => _registers;

    /// <summary>Ticks done; may be read while it runs.</summary>
    public ulong Tick => Volatile.Read(ref _registers.Tick);

    /// <summary>Ticks that the asked-for rate would have had and this machine could not run.</summary>
    public long MissedTicks => Interlocked.Read(ref _missedTicks);

    /// <summary>When this object first had ticks done, a timestamp of <see cref="Stopwatch"/>; 0 before. With that of the other end, how long the guest was nowhere.</summary>
    public long FirstTickTime => Volatile.Read(ref _firstTickTime);

    /// <summary>When it last had ticks done; 0 before the first.</summary>
    public long LastTickTime => Volatile.Read(ref _lastTickTime);

    /// <summary>It stands still when it has done so many ticks, until this is raised.</summary>
    public ulong StopAtTick
    {
        get => Volatile.Read(ref _stopAtTick);
        set
        {
            Volatile.Write(ref _stopAtTick, value);
            lock (_gate) Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Whether it sleeps until its next tick is due, or its next page is there, or because it is held back.</summary>
    public bool IsAsleep
    {
        get { lock (_gate) return _run != 0 && _asleep == _run; }
    }

    /// <summary>How often a stop had to wait for the end of a tick.</summary>
    public long AwaitedStops { get; private set; }

    bool NeedsThread => Program.Workload != GuestWorkload.Idle;

    /// <summary>Has a thread ready, so that the start needs none; a vCPU that has nothing to do needs no thread.</summary>
    /// <param name="guestName">For the name of the thread.</param>
    /// <param name="thread">One that was made before; it is dismissed where it is not needed. Null makes one.</param>
    public void Prepare(string guestName, CpuThread? thread = null)
    {
        lock (_gate)
        {
            if (NeedsThread && _thread is null) _thread = thread ?? new CpuThread(guestName, Index);
            else thread?.Dismiss();
        }
    }

    /// <summary>Begins to run. Throws OutOfMemoryException when there is no thread for it.</summary>
    public void Start(string guestName)
    {
        lock (_gate)
        {
            if (_running != 0 || !NeedsThread) return;
            Prepare(guestName);
            BeginRate();
            _run = _running = ++_lastRun;
            _thread!.Run(this, _run);
            // One that still sleeps since it was stopped takes up the new run.
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Asks it to stop after the tick it is in.</summary>
    public void RequestStop()
    {
        lock (_gate)
        {
            if (IsAsleep)
            {
                _running = 0;
                _faults?.Pause(Index);
                // What it sleeps on for is no time of its own any more.
                EndHold(_run);
            }
            _run = 0;
        }
    }

    /// <summary>Waits until it stands between two ticks. Its thread stays, so that it can go on at once.</summary>
    public void WaitStopped()
    {
        lock (_gate)
        {
            if (_running != 0) AwaitedStops++;
            while (_running != 0) Monitor.Wait(_gate);
        }
    }

    /// <summary>It stands, and will for long: its thread is given up.</summary>
    public void Rest()
    {
        lock (_gate)
        {
            _thread?.Dismiss();
            _thread = null;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Runs until this run is stopped, on the thread that it was given; not at all when it was stopped before.</summary>
    public void Run(int run)
    {
        try
        {
            RunProgram(run);
        }
        finally
        {
            lock (_gate)
            {
                if (_running == run) _running = 0;
                Monitor.PulseAll(_gate);
            }
        }
    }

    void RunProgram(int run)
    {
        var ticksPerTimestamp = Program.TicksPerSecond / Stopwatch.Frequency;
        var paceStart = Stopwatch.GetTimestamp();
        var paceTick = _registers.Tick;
        var sliceStart = paceStart;
        while (_run == run)
        {
            var now = Stopwatch.GetTimestamp();
            if (_throttle > 0 && now - sliceStart >= Volatile.Read(ref _slice))
            {
                paceStart += HoldBack(run, now);
                sliceStart = Stopwatch.GetTimestamp();
                continue;
            }
            if (RunTicks(run, Due(now, ticksPerTimestamp, ref paceStart, ref paceTick))) continue;
            if (Program.TicksPerSecond > 0 || Tick >= StopAtTick) Nap(run);
            // A guest that waited at its target tick owes nothing for that time.
            if (Tick >= StopAtTick) (paceStart, paceTick) = (Stopwatch.GetTimestamp(), Tick);
        }
    }

    /// <summary>How many ticks may run now. What lies further back than the catch-up limit is counted as missed.</summary>
    long Due(long now, double ticksPerTimestamp, ref long paceStart, ref ulong paceTick)
    {
        if (Program.TicksPerSecond <= 0) return 1024;
        var due = ((now - paceStart) * ticksPerTimestamp) - (_registers.Tick - paceTick);
        var limit = Math.Max(1, MaxCatchUp * ticksPerTimestamp);
        if (due > limit)
        {
            var missed = (long)(due - limit);
            Interlocked.Add(ref _missedTicks, missed);
            // Move the pace on by what is given up.
            paceStart += (long)(missed / ticksPerTimestamp);
            due = limit;
        }
        return (long)due;
    }

    /// <summary>Runs so many ticks, or fewer. Whether it had to wait for a page.</summary>
    bool RunTicks(int run, long count)
    {
        // One loop with a look at each page, and one without, which costs a guest that has them all nothing.
        if (_faults is { } faults) return RunChecked(run, count, faults);
        RunPlain(run, count);
        return false;
    }

    void RunPlain(int run, long count)
    {
        var program = Program;
        var last = StopAtTick;
        var before = _registers.Tick;
        for (; count > 0 && _run == run && _registers.Tick < last; count--) GuestTick.Run(program, ref _registers, _ram);
        RememberTicks(before);
    }

    void RememberTicks(ulong before)
    {
        if (_registers.Tick == before) return;
        var now = Stopwatch.GetTimestamp();
        if (_firstTickTime == 0) Volatile.Write(ref _firstTickTime, now);
        Volatile.Write(ref _lastTickTime, now);
        MarkRate(now);
    }

    // Half a millisecond to one and a half: short against the windows in which rates are measured.
    void Nap(int run)
    {
        lock (_gate)
        {
            if (_run == run) Sleep(run, 1);
        }
    }

    // With the gate held, which is given up meanwhile: then a stop finds it asleep.
    void Sleep(int run, int milliseconds)
    {
        _asleep = run;
        Monitor.Wait(_gate, milliseconds);
        if (_asleep == run) _asleep = 0;
    }
}
