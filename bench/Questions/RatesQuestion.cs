using System.Diagnostics;
using System.Globalization;
using PsMigrate.Bench.Report;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Questions;

/// <summary>Whether a guest dirties its memory at the rate it was asked to; the worst of all workloads, rates and vCPUs counts.</summary>
sealed class RatesQuestion : IQuestion
{
    static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(200);
    static readonly TimeSpan Span = TimeSpan.FromSeconds(1);
    static readonly long[] Rates = [50L << 20, 200L << 20, 400L << 20];

    public string Name => "rates";

    public string Text => "guests keep their dirty rate within 5 %, each workload at 50, 200 and 400 MB/s with one and two vCPUs";

    public IEnumerable<Row> Ask(int runs)
    {
        GuestWorkload[] workloads = [GuestWorkload.Sequential, GuestWorkload.Random, GuestWorkload.HotSpot, GuestWorkload.WalkingIncrement];
        var cases = from workload in workloads from rate in Rates from cpus in (int[])[1, 2] select (workload, rate, cpus);
        var worst = (Kept: 1.0, Text: "");
        var count = 0;
        List<double> kept = [];
        foreach (var (workload, rate, cpus) in cases)
        {
            // The median of the rounds: one moment in which a neighbour had the machine is not the guest's doing.
            var ratio = Series.Of([.. Enumerable.Range(0, runs).Select(_ => Measure(workload, rate, cpus) / rate)]).Median;
            var share = 1 - Math.Abs(1 - ratio);
            kept.Add(share);
            var text = string.Create(CultureInfo.InvariantCulture, $"{workload}, {rate >> 20} MB/s, {cpus} vCPU");
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {++count}/24  {text}: {ratio:0.0000} of what was asked  (load {Host.Load()})"));
            if (share < worst.Kept) worst = (share, text);
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  worst: {worst.Text}, {1 - worst.Kept:0.0%} off"));
        var row = Row.OfRates("dirty rate kept: the worst of 24 guests", "the rate that was asked for", "share", kept, [1.0], 0.95);
        yield return row with { Ratio = Math.Round(worst.Kept, 4), Met = worst.Kept >= 0.95, N = runs };
    }

    static double Measure(GuestWorkload workload, long rate, int cpus)
    {
        var guest = GuestRegistry.Create(new GuestOptions
        {
            Name = "bench-rates", MemorySize = 256 << 20, Workload = workload, DirtyRate = rate, ProcessorCount = cpus,
        });
        try
        {
            Thread.Sleep(Settle);
            var (clock, before) = (Stopwatch.StartNew(), guest.Ticks.Sum());
            Thread.Sleep(Span);
            var ticks = guest.Ticks.Sum() - before;
            return ticks * (double)GuestMemory.PageSize / clock.Elapsed.TotalSeconds;
        }
        finally
        {
            GuestRegistry.Remove(guest);
        }
    }
}
