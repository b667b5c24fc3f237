using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Questions;

/// <summary>The same RAM from QEMU to QEMU, every destination's memory touched before: time, and what both processes need of the processor.</summary>
sealed class PrefaultedQuestion : IQuestion
{
    const double GiB = 1L << 30;

    public string Name => "prefaulted";

    public string Text => "2 GiB random RAM, paused, tcp loopback, one channel, prefaulted destination: speed and processor time, against QEMU -mem-prealloc";

    public bool IsTarget => true;

    public IEnumerable<Row> Ask(int runs)
    {
        var source = SourceGuest.Random;
        using var receiver = new ReceiverProcess(ReceiverRole.Warm);
        // The first one touches the memory that the others find warm, and compiles both ends.
        receiver.Take(source);
        List<MigrationRun> ours = [], theirs = [];
        for (var round = 1; round <= runs; round++)
        {
            theirs.Add(QemuToQemu.Migrate(new QemuOptions(SourceGuest.Size) { Image = SourceGuest.RandomImage }, isPrefaulted: true));
            ours.Add(receiver.Take(source));
            Progress.Show(round, runs, ("QEMU GB/s", Rate(theirs[^1])), ("ours", Rate(ours[^1])), ("QEMU CPU s/GiB", Cpu(theirs[^1])), ("ours", Cpu(ours[^1])));
        }
        const string Peer = "QEMU to QEMU, one channel, -mem-prealloc";
        var note = $"{MigrationRun.Breakdown("ours", ours)}; {MigrationRun.Breakdown("QEMU", theirs)}";
        yield return Row.OfRates("2 GiB random, tcp loopback, prefaulted destination", Peer, "GB/s", [.. ours.Select(Rate)], [.. theirs.Select(Rate)], 1.3) with
        {
            Line = 3, Note = note,
        };
        yield return Row.OfShares("CPU seconds per GiB, source and destination: 2 GiB random, tcp loopback, prefaulted destination", Peer, "s/GiB", [.. ours.Select(Cpu)], [.. theirs.Select(Cpu)], 0.9) with
        {
            Line = 12, Note = note,
        };
    }

    static double Rate(MigrationRun run) => run.RateOf(SourceGuest.Size);

    static double Cpu(MigrationRun run) => run.Cpu.TotalSeconds / (SourceGuest.Size / GiB);
}
