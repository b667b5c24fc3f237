using System.Diagnostics;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Peers;

/// <summary>
/// A vCPU as <see cref="VirtualCpu"/> would be if no page could ever be missing: the same loop, and no choice between two where it
/// begins.
/// </summary>
sealed class BareCpu(GuestProgram program, CpuRegisters registers, RamBlock ram)
{
    const long TicksAtOnce = 1024;

    readonly GuestProgram _program = program;
    CpuRegisters _registers = registers;
    volatile int _run;
    ulong _stopAtTick = ulong.MaxValue;
    long _firstTickTime;
    long _lastTickTime;

    /// <summary>Ticks done.</summary>
    public ulong Tick => Volatile.Read(ref _registers.Tick);

    /// <summary>Runs for so long on a thread of its own, and returns how many ticks that were.</summary>
    public ulong RunFor(TimeSpan span)
    {
        var before = Tick;
        _run = 1;
        var thread = new Thread(() => RunProgram(1));
        thread.Start();
        Thread.Sleep(span);
        _run = 0;
        thread.Join();
        return Tick - before;
    }

    void RunProgram(int run)
    {
        while (_run == run)
        {
            RunTicks(run, TicksAtOnce);
            if (_program.TicksPerSecond > 0 || Tick >= Volatile.Read(ref _stopAtTick)) return;
        }
    }

    void RunTicks(int run, long count)
    {
        var program = _program;
        var last = Volatile.Read(ref _stopAtTick);
        var before = _registers.Tick;
        for (; count > 0 && _run == run && _registers.Tick < last; count--) GuestTick.Run(program, ref _registers, ram);
        if (_registers.Tick == before) return;
        var now = Stopwatch.GetTimestamp();
        if (_firstTickTime == 0) Volatile.Write(ref _firstTickTime, now);
        Volatile.Write(ref _lastTickTime, now);
    }
}
