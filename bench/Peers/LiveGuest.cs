using System.Diagnostics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Peers;

/// <summary>
/// The twin of <see cref="PacedGuest"/> in this engine: 2 GiB, one vCPU that increments the first byte of each page of its working set
/// in turn. Below 256 rounds, which is minutes, both write the same bytes.
/// </summary>
static class LiveGuest
{
    static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    /// <summary>Migrates one that was made for it to a process that was started for it, and checks the memory it arrived with. Null when it had not ended by the limit.</summary>
    public static MigrationRun? Migrate(PacedGuest program, MigrationParameters asked, TimeSpan settle, TimeSpan? limit = null)
    {
        using var receiver = new ReceiverProcess(ReceiverRole.Cold);
        var guest = Create(program);
        try
        {
            guest.Resume();
            Thread.Sleep(settle);
            if (OurSide.TrySend(guest, receiver.Uri, asked, limit ?? Limit) is not { } run) return null;
            var arrival = receiver.ReadArrival(digest: null);
            var left = guest.Cpus[0].LastTickTime;
            Check(guest, arrival);
            return run with { TargetCpu = arrival.Cpu, Blackout = Stopwatch.GetElapsedTime(left, arrival.FirstTickTime) };
        }
        finally
        {
            GuestRegistry.Remove(guest);
        }
    }

    static MemoryGuest Create(PacedGuest program)
    {
        var guest = GuestRegistry.Create(new GuestOptions
        {
            Name = "bench-live", MemorySize = SourceGuest.Size, Workload = GuestWorkload.WalkingIncrement, StartSuspended = true,
            WorkingSet = (long)program.Pages * GuestMemory.PageSize, DirtyRate = (long)program.Rate * GuestMemory.PageSize,
        });
        FillFirstRound(guest, program.Pages);
        return guest;
    }

    /// <summary>The first round is done at once, as the other one does it.</summary>
    public static unsafe void FillFirstRound(MemoryGuest guest, long pages)
    {
        var ram = guest.Memory.Ram;
        for (long page = 0; page < pages; page++)
        {
            *ram.PageForWrite(page) = 1;
            ram.Wrote(page);
        }
    }

    /// <summary>The copy that stayed runs on to the tick at which the other was stopped: then both hold the same.</summary>
    static void Check(MemoryGuest stayed, Arrival arrival)
    {
        var ticks = arrival.Ticks[0];
        stayed.StopAtTick(ticks);
        stayed.Resume(force: true);
        for (var clock = Stopwatch.StartNew(); stayed.Ticks[0] < ticks; Thread.Sleep(1))
            if (clock.Elapsed > Limit) throw new BenchException($"the copy that stayed is at tick {stayed.Ticks[0]} and not at {ticks}.");
        stayed.Suspend();
        var digest = stayed.Digest();
        if (stayed.Ticks[0] != ticks || digest != arrival.Digest)
            throw new BenchException($"the memories differ at tick {ticks}: {digest} here, {arrival.Digest} there.");
    }
}
