using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Questions;

/// <summary>RAM that was written with zeros, so that each page has to be looked at: against QEMU, and against looking alone.</summary>
sealed class ZerosQuestion : IQuestion
{
    public string Name => "zeros";

    public string Text => "2 GiB of written zeros, tcp loopback, cold destination, against QEMU to QEMU and against one thread that scans them";

    public bool IsTarget => true;

    public IEnumerable<Row> Ask(int runs)
    {
        using var source = SourceGuest.OfWrittenZeros();
        // QEMU's own way to touch each page.
        var machine = new QemuOptions(SourceGuest.Size) { IsPrefaulted = true };
        ReceiverProcess.TakeCold(source);
        PlainMemory.ScanZeros(source.Guest.Memory.Ram);
        List<MigrationRun> ours = [], theirs = [];
        List<double> scan = [];
        for (var round = 1; round <= runs; round++)
        {
            theirs.Add(QemuToQemu.Migrate(machine, isPrefaulted: false));
            ours.Add(ReceiverProcess.TakeCold(source));
            scan.Add(PlainMemory.ScanZeros(source.Guest.Memory.Ram).TotalMilliseconds);
            Progress.Show(round, runs, ("QEMU ms", Time(theirs[^1])), ("ours", Time(ours[^1])), ("scan", scan[^1]));
        }
        const string Work = "2 GiB of written zeros, tcp loopback";
        double[] times = [.. ours.Select(Time)];
        var note = MigrationRun.Breakdown("ours", ours);
        yield return Row.OfTimes(Work, "QEMU to QEMU", "ms", times, [.. theirs.Select(Time)], 1.4) with
        {
            Line = 7, Note = $"{note}; {MigrationRun.Breakdown("QEMU", theirs)}",
        };
        yield return Row.OfTimes(Work, "one-thread zero scan of the same RAM", "ms", times, scan, 0.7) with { Line = 7, Note = note };
    }

    static double Time(MigrationRun run) => run.Total.TotalMilliseconds;
}
