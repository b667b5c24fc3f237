using PsMigrate.Bench.Report;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Questions;

/// <summary>
/// What it costs a guest that writes as fast as it can to have its dirty curve measured, and what of that is the doing of a log that is on.
/// </summary>
sealed class DirtyCurveQuestion : IQuestion
{
    // The default of the cmdlet, nearly all of which is looked at: what comes after the last window is not the guest's.
    static readonly TimeSpan Duration = TimeSpan.FromSeconds(3);
    static readonly TimeSpan Span = TimeSpan.FromSeconds(2.9);

    public string Name => "dirtycurve";

    public string Text => "a guest's own rate of random 8-byte writes while its dirty curve is measured, against when it is not";

    public IEnumerable<Row> Ask(int runs)
    {
        foreach (var megabytes in (int[])[1024, 16])
        {
            var guest = GuestRegistry.Create(new GuestOptions
            {
                Name = $"bench-dirtycurve-{megabytes}", MemorySize = 1L << 30, WorkingSet = (long)megabytes << 20, Workload = GuestWorkload.Random,
                DirtyRate = 0, Content = GuestContent.Random,
            });
            try
            {
                foreach (var row in Ask(guest, megabytes, runs)) yield return row;
            }
            finally
            {
                GuestRegistry.Remove(guest);
            }
        }
    }

    static Row[] Ask(MemoryGuest guest, int megabytes, int runs)
    {
        Measured(guest);
        List<double> measured = [], logged = [], off = [];
        for (var round = 1; round <= runs; round++)
        {
            off.Add(Rate(guest));
            logged.Add(Logged(guest));
            measured.Add(Measured(guest));
            Progress.Show(round, runs, ("off, million writes/s", off[^1]), ("log on, not read", logged[^1]), ("measured", measured[^1]));
        }
        return
        [
            Row.OfRates($"writes to {megabytes} MiB while the dirty curve is measured", "the same guest, not measured", "million/s", measured, off, target: null),
            Row.OfRates($"writes to {megabytes} MiB while the dirty curve is measured", "the same guest, log on and never read", "million/s", measured, logged, target: null),
        ];
    }

    static double Logged(MemoryGuest guest)
    {
        guest.StartLog();
        var rate = Rate(guest);
        guest.StopLog();
        return rate;
    }

    static double Measured(MemoryGuest guest)
    {
        using var measurement = guest.MeasureDirtyRate(new() { Duration = Duration });
        return Rate(guest);
    }

    // Of the processor time of this process, in which nothing runs but the guest and who measures it: a busy machine has no part in it.
    static double Rate(MemoryGuest guest)
    {
        var (ticks, time) = (guest.Ticks.Sum(), Environment.CpuUsage.TotalTime);
        Thread.Sleep(Span);
        return (guest.Ticks.Sum() - ticks) / (Environment.CpuUsage.TotalTime - time).TotalSeconds / 1e6;
    }
}
