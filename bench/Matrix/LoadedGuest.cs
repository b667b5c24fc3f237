using System.Diagnostics;
using PsMigrate.Bench.Peers;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Matrix;

/// <summary>A guest of the matrix in this process, which runs. Gone when it goes out of scope.</summary>
sealed class LoadedGuest : IDisposable
{
    static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    readonly LoadDriver _driver;
    bool _isDriven = true;

    public LoadedGuest(Scenario scenario)
    {
        Guest = GuestRegistry.Create(scenario.Guest("bench-matrix") with { StartSuspended = true });
        if (scenario.Load == GuestLoad.Walking) LiveGuest.FillFirstRound(Guest, Guest.WorkingSet / GuestMemory.PageSize);
        _driver = new LoadDriver(Guest, scenario.Load);
        Guest.Resume();
    }

    public MemoryGuest Guest { get; }

    /// <summary>What it has written, bytes of pages.</summary>
    public long Written => Guest.Ticks.Sum() * GuestMemory.PageSize;

    /// <summary>
    /// It was migrated and stays here as a copy, which runs on to the ticks at which the other was stopped: then both must hold the same.
    /// Throws <see cref="BenchException"/> when they do not.
    /// </summary>
    public void Check(Arrival arrival)
    {
        EndDriving();
        for (var i = 0; i < arrival.Ticks.Length; i++) Guest.Cpus[i].StopAtTick = (ulong)arrival.Ticks[i];
        Guest.Resume(force: true);
        for (var clock = Stopwatch.StartNew(); !Guest.Ticks.Zip(arrival.Ticks).All(pair => pair.First >= pair.Second || IsIdle); Thread.Sleep(1))
            if (clock.Elapsed > Limit) throw new BenchException("the copy that stayed does not come to the ticks of the one that went.");
        Guest.Suspend();
        var digest = Guest.Digest();
        if (digest != arrival.Digest) throw new BenchException($"the memories differ: {digest} here, {arrival.Digest} there.");
    }

    public void Dispose()
    {
        EndDriving();
        GuestRegistry.Remove(Guest);
    }

    bool IsIdle => Guest.Workload == GuestWorkload.Idle;

    void EndDriving()
    {
        if (_isDriven) _driver.Dispose();
        _isDriven = false;
    }
}
