using System.Globalization;
using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Questions;

/// <summary>
/// Between "stopped" and "runs there": a guest of 64 MiB that writes little, over tcp and inside one process, the first migration of new
/// processes apart from those that follow, against the downtime of a QEMU pair.
/// </summary>
sealed class SwitchoverQuestion : IQuestion
{
    // Of these the median; those before them compile.
    const int Counted = 150;
    const int WarmUp = 60;

    public string Name => "switchover";

    public string Text => "how long a small guest stands still, by part, in microseconds; new processes, warm ones, and a QEMU pair";

    public IEnumerable<Row> Ask(int runs)
    {
        List<double> first = [], firstLocal = [], theirs = [];
        List<(DowntimeParts, SwitchoverTimes?)> firsts = [];
        for (var round = 1; round <= runs; round++)
        {
            theirs.Add(QemuDowntime.Measure().TotalMilliseconds);
            firsts.AddRange(SwitchoverPair.OverTcp(1));
            first.Add(firsts[^1].Item1.Total.TotalMilliseconds);
            firstLocal.Add(SwitchoverPair.Local(1)[0].Source.Total.TotalMilliseconds);
            Progress.Show(round, runs, ("QEMU ms", theirs[^1]), ("ours first, tcp", first[^1]), ("local", firstLocal[^1]));
        }
        var tcp = SwitchoverPair.OverTcp(WarmUp + Counted)[WarmUp..];
        var local = SwitchoverPair.Local(WarmUp + Counted)[WarmUp..];
        Show("first, tcp", firsts);
        Show("warm, tcp", tcp);
        Show("warm, local", local);
        yield return Row.OfTimes("downtime of a small guest, first migration of both processes, tcp", "QEMU to QEMU", "ms", first, theirs, 1.0);
        yield return Row.OfTimes("downtime of a small guest, warm processes, tcp", "QEMU to QEMU", "ms", Totals(tcp), theirs, 1.0);
        yield return Row.OfTimes("downtime of a small guest, warm process, local", "QEMU to QEMU", "ms", Totals(local), theirs, 1.0);
    }

    static List<double> Totals(List<(DowntimeParts Source, SwitchoverTimes?)> times) => [.. times.Select(one => one.Source.Total.TotalMilliseconds)];

    static void Show(string what, List<(DowntimeParts Source, SwitchoverTimes? Destination)> times)
    {
        double Median(Func<DowntimeParts, TimeSpan> part) => Series.Of([.. times.Select(one => part(one.Source).TotalMicroseconds)]).Median;
        double There(Func<SwitchoverTimes, TimeSpan> part) =>
            Series.Of([.. times.Select(one => one.Destination is { } there ? part(there).TotalMicroseconds : 0)]).Median;
        var total = Series.Of([.. times.Select(one => one.Source.Total.TotalMicroseconds)]);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"  {what,-12} µs, median of {times.Count}: stop {Median(part => part.Stop):0}, final RAM {Median(part => part.FinalRam):0}, state {Median(part => part.State):0}, handover {Median(part => part.Handover):0} (load there {There(part => part.Load):0}), resume {Median(part => part.Resume):0} (start there {There(part => part.Start):0}); total {total.Min:0} / {total.Median:0} / {total.Max:0}"));
    }
}
