using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Bench.Questions;

/// <summary>
/// What the possibility of missing pages costs a guest that writes as fast as it can: the loop that all guests run against one without
/// a choice, and the loop of a guest in postcopy of which no page is missing.
/// </summary>
sealed class PostcopyCheckQuestion : IQuestion
{
    static readonly TimeSpan Span = TimeSpan.FromSeconds(1);

    public string Name => "postcopy-check";

    public string Text => "a guest's random 8-byte writes per CPU second: not in postcopy, and in postcopy with nothing missing, against a loop that knows no postcopy";

    public IEnumerable<Row> Ask(int runs)
    {
        var guest = MemoryGuest.Create(new GuestOptions
        {
            Name = "bench-postcopy", MemorySize = 1L << 30, Workload = GuestWorkload.Random, DirtyRate = 0, Content = GuestContent.Random,
        });
        try
        {
            var faults = NothingMissing(guest);
            var bare = new BareCpu(guest.Cpus[0].Program, guest.Cpus[0].Registers, guest.Memory.Ram);
            List<double> plain = [], checking = [], without = [];
            for (var round = 0; round <= runs; round++)
            {
                var figures = (Bare(bare), Plain(guest), Checking(guest, faults));
                // The first round is for the compiler.
                if (round == 0) continue;
                without.Add(figures.Item1);
                plain.Add(figures.Item2);
                checking.Add(figures.Item3);
                Progress.Show(round, runs, ("without, million writes per CPU second", without[^1]), ("not in postcopy", plain[^1]), ("in postcopy", checking[^1]));
            }
            return
            [
                Row.OfRates("a guest's writes, not in postcopy", "the same loop without the choice", "million/CPU s", plain, without, target: 0.95),
                Row.OfRates("a guest's writes, in postcopy, nothing missing", "the same loop without the choice", "million/CPU s", checking, without, target: null),
            ];
        }
        finally
        {
            guest.Remove();
        }
    }

    static PageFaults NothingMissing(MemoryGuest guest)
    {
        var ram = new ArrivingRam(guest.Memory) { KeepsFirst = true };
        ram.Blocks[0].MarkReceived(0, (int)guest.Memory.Ram.Pages);
        return ram.Faults = new PageFaults(guest.ProcessorCount, ram.HasCome, (_, _) => { });
    }

    static double Bare(BareCpu cpu)
    {
        var cpuTime = Environment.CpuUsage.TotalTime;
        var ticks = cpu.RunFor(Span);
        return ticks / (Environment.CpuUsage.TotalTime - cpuTime).TotalSeconds / 1e6;
    }

    static double Plain(MemoryGuest guest)
    {
        var (cpuTime, before) = (Environment.CpuUsage.TotalTime, guest.Ticks[0]);
        guest.Resume();
        Thread.Sleep(Span);
        guest.Suspend();
        return (guest.Ticks[0] - before) / (Environment.CpuUsage.TotalTime - cpuTime).TotalSeconds / 1e6;
    }

    static double Checking(MemoryGuest guest, PageFaults faults)
    {
        guest.BeginPostcopy(faults);
        try
        {
            return Plain(guest);
        }
        finally
        {
            guest.EndPostcopy();
        }
    }
}
