using System.Diagnostics;

namespace PsMigrate.Engine.Guests;

/// <summary>
/// A vCPU: a thread that runs a deterministic program tick by tick. It can be stopped between any two ticks, and goes on
/// from its registers wherever they are loaded. Rates are kept by the clock, the ticks themselves know nothing of it.
/// </summary>
sealed class VirtualCpu
{
    // What a late vCPU may make up for at once; the rest of a delay is given up, so that no burst follows a stall.
    static readonly long MaxCatchUp = Stopwatch.Frequency / 50;

    // QEMU's throttle timeslice: 10 ms of running, then p / (1 - p) times that asleep.
    static readonly long ThrottleSlice = Stopwatch.Frequency / 100;

    readonly RamBlock _ram;
    readonly Lock _start = new();
    readonly object _gate = new();
    CpuRegisters _registers;
    Thread? _thread;
    volatile bool _stop = true;
    volatile bool _running;
    volatile int _throttlePercent;
    ulong _stopAtTick = ulong.MaxValue;
    long _missedTicks;
    long _throttledTime;
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

    /// <summary>How long it was held back by <see cref="ThrottlePercent"/>.</summary>
    public TimeSpan ThrottledTime => Stopwatch.GetElapsedTime(0, Interlocked.Read(ref _throttledTime));

    /// <summary>When this object first had ticks done, a timestamp of <see cref="Stopwatch"/>; 0 before. With that of the other end, how long the guest was nowhere.</summary>
    public long FirstTickTime => Volatile.Read(ref _firstTickTime);

    /// <summary>When it last had ticks done; 0 before the first.</summary>
    public long LastTickTime => Volatile.Read(ref _lastTickTime);

    /// <summary>How much of its time it is held back, 0 to 99.</summary>
    public int ThrottlePercent
    {
        get => _throttlePercent;
        set => _throttlePercent = value;
    }

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

    /// <summary>Begins to run; a vCPU that has nothing to do needs no thread.</summary>
    public void Start(string guestName)
    {
        lock (_start)
        {
            if (!_stop) return;
            _stop = false;
            if (Program.Workload == GuestWorkload.Idle) return;
            _thread = new Thread(Run) { IsBackground = true, Name = $"vcpu {guestName}/{Index}" };
            _running = true;
            try
            {
                _thread.Start();
            }
            catch (OutOfMemoryException)
            {
                // No thread, so nobody would ever say that it stopped.
                (_running, _stop, _thread) = (false, true, null);
                throw;
            }
        }
    }

    /// <summary>Asks it to stop after the tick it is in.</summary>
    public void RequestStop()
    {
        _stop = true;
        lock (_gate) Monitor.PulseAll(_gate);
    }

    /// <summary>Waits until it stands between two ticks.</summary>
    public void WaitStopped()
    {
        lock (_gate)
            while (_running) Monitor.Wait(_gate);
        lock (_start)
        {
            _thread?.Join();
            _thread = null;
        }
    }

    void Run()
    {
        try
        {
            var ticksPerTimestamp = Program.TicksPerSecond / Stopwatch.Frequency;
            var paceStart = Stopwatch.GetTimestamp();
            var paceTick = _registers.Tick;
            var sliceStart = paceStart;
            while (!_stop)
            {
                var now = Stopwatch.GetTimestamp();
                if (_throttlePercent > 0 && now - sliceStart >= ThrottleSlice)
                {
                    var slept = HoldBack(now);
                    paceStart += slept;
                    now = sliceStart = Stopwatch.GetTimestamp();
                }
                RunTicks(Due(now, ticksPerTimestamp, ref paceStart, ref paceTick));
                if (Program.TicksPerSecond > 0 || Tick >= StopAtTick) Nap();
                // A guest that waited at its target tick owes nothing for that time.
                if (Tick >= StopAtTick) (paceStart, paceTick) = (Stopwatch.GetTimestamp(), _registers.Tick);
            }
        }
        finally
        {
            lock (_gate)
            {
                _running = false;
                Monitor.PulseAll(_gate);
            }
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

    void RunTicks(long count)
    {
        var program = Program;
        var last = StopAtTick;
        var before = _registers.Tick;
        for (; count > 0 && !_stop && _registers.Tick < last; count--) GuestTick.Run(program, ref _registers, _ram);
        if (_registers.Tick == before) return;
        var now = Stopwatch.GetTimestamp();
        if (_firstTickTime == 0) Volatile.Write(ref _firstTickTime, now);
        Volatile.Write(ref _lastTickTime, now);
    }

    long HoldBack(long from)
    {
        var percent = _throttlePercent;
        var until = from + (ThrottleSlice * percent / (100 - percent));
        lock (_gate)
        {
            for (var now = from; !_stop && now < until; now = Stopwatch.GetTimestamp())
                Monitor.Wait(_gate, Math.Max(1, (int)((until - now) * 1000 / Stopwatch.Frequency)));
        }
        var slept = Stopwatch.GetTimestamp() - from;
        Interlocked.Add(ref _throttledTime, slept);
        return slept;
    }

    // Half a millisecond to one and a half: short against the windows in which rates are measured, and over at once on a stop.
    void Nap()
    {
        lock (_gate)
        {
            if (!_stop) Monitor.Wait(_gate, 1);
        }
    }
}
