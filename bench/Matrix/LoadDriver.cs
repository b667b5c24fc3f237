using System.Diagnostics;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Matrix;

/// <summary>
/// What the programs of guests can't do by themselves, since their ticks know nothing of time: phases, and a set that grows. It says from
/// outside at which tick a vCPU stands, and how much it is held back; what is written where follows from the tick alone all the same.
/// </summary>
sealed class LoadDriver : IDisposable
{
    /// <summary>Each vCPU has its own part of the set.</summary>
    public const int GrowingCpus = 8;

    const int FirstCpus = 2;
    static readonly TimeSpan Phase = TimeSpan.FromMilliseconds(400);
    static readonly TimeSpan Growth = TimeSpan.FromSeconds(1.5);

    readonly MemoryGuest _guest;
    readonly Thread? _thread;
    readonly ManualResetEventSlim _end = new();
    readonly Stopwatch _clock = Stopwatch.StartNew();

    /// <summary>Of a guest that stands.</summary>
    public LoadDriver(MemoryGuest guest, GuestLoad load)
    {
        _guest = guest;
        if (load is not (GuestLoad.Phases or GuestLoad.Growing)) return;
        if (load == GuestLoad.Growing) Grow(FirstCpus);
        _thread = new Thread(load == GuestLoad.Phases ? RunPhases : RunGrowth) { IsBackground = true, Name = "load" };
        _thread.Start();
    }

    /// <summary>The guest does from here on what its program says.</summary>
    public void Dispose()
    {
        _end.Set();
        _thread?.Join();
        foreach (var cpu in _guest.Cpus)
        {
            cpu.StopAtTick = ulong.MaxValue;
            cpu.OwnThrottle = 0;
        }
        _end.Dispose();
    }

    void RunPhases()
    {
        for (var next = Phase; !WaitUntil(next); next += Phase)
            foreach (var cpu in _guest.Cpus) cpu.StopAtTick = cpu.StopAtTick == ulong.MaxValue ? cpu.Tick : ulong.MaxValue;
    }

    void RunGrowth()
    {
        var count = FirstCpus;
        for (var next = Growth; count < GrowingCpus && !WaitUntil(next); next += Growth) Grow(++count);
    }

    /// <summary>So many vCPUs run, and together write what one of them would by itself.</summary>
    void Grow(int count)
    {
        for (var i = 0; i < GrowingCpus; i++)
        {
            var cpu = _guest.Cpus[i];
            cpu.OwnThrottle = (int)Math.Round(100 - (100.0 / count));
            cpu.StopAtTick = i < count ? ulong.MaxValue : 0;
        }
    }

    /// <summary>True when it is to end before.</summary>
    bool WaitUntil(TimeSpan time)
    {
        var left = time - _clock.Elapsed;
        return _end.Wait(left > TimeSpan.Zero ? left : TimeSpan.Zero);
    }
}
