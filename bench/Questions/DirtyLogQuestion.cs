using System.Diagnostics;
using PsMigrate.Bench.Report;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Questions;

/// <summary>What the dirty log costs a guest that writes as fast as it can, while it is on and is collected ten times a second.</summary>
sealed class DirtyLogQuestion : IQuestion
{
    static readonly TimeSpan Span = TimeSpan.FromSeconds(1);
    static readonly TimeSpan Collect = TimeSpan.FromMilliseconds(100);

    public string Name => "dirtylog";

    public string Text => "a guest's own rate of random 8-byte writes with the dirty log on and collected, against off";

    public IEnumerable<Row> Ask(int runs)
    {
        var guest = GuestRegistry.Create(new GuestOptions
        {
            Name = "bench-dirtylog", MemorySize = 1L << 30, Workload = GuestWorkload.Random, DirtyRate = 0, Content = GuestContent.Random,
        });
        try
        {
            Rate(guest);
            List<double> on = [], off = [];
            for (var round = 1; round <= runs; round++)
            {
                off.Add(Rate(guest));
                guest.StartLog();
                on.Add(Rate(guest));
                guest.StopLog();
                Progress.Show(round, runs, ("off, million writes/s", off[^1]), ("on", on[^1]));
            }
            return [Row.OfRates("a guest's writes with the dirty log on", "the same guest, log off", "million/s", on, off, target: null)];
        }
        finally
        {
            GuestRegistry.Remove(guest);
        }
    }

    static double Rate(MemoryGuest guest)
    {
        var collected = new PageBitmap(guest.Memory.Ram.Pages);
        var clock = Stopwatch.StartNew();
        var before = guest.Ticks.Sum();
        while (clock.Elapsed < Span)
        {
            Thread.Sleep(Collect);
            if (guest.Memory.Ram.Log is { } log) collected.Collect(log);
        }
        return (guest.Ticks.Sum() - before) / clock.Elapsed.TotalSeconds / 1e6;
    }
}
