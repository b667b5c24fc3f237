using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Questions;

/// <summary>One end is ours and the other a real QEMU, in both directions, against two QEMUs.</summary>
sealed class MixedQuestion : IQuestion
{
    public string Name => "mixed";

    public string Text => "2 GiB random RAM, paused, tcp loopback, prefaulted destination: ours into a QEMU and a QEMU into ours, against QEMU to QEMU";

    public bool IsTarget => true;

    public IEnumerable<Row> Ask(int runs)
    {
        var source = SourceGuest.Random;
        using var receiver = new ReceiverProcess(ReceiverRole.Warm);
        var machine = new QemuOptions(SourceGuest.Size) { Image = SourceGuest.RandomImage };
        // Both of our ends are compiled and warm before they are measured.
        QemuToQemu.MigrateFrom(source);
        QemuToQemu.MigrateTo(receiver, machine, source.Digest);
        List<MigrationRun> into = [], outOf = [], theirs = [];
        for (var round = 1; round <= runs; round++)
        {
            theirs.Add(QemuToQemu.Migrate(machine, isPrefaulted: true));
            into.Add(QemuToQemu.MigrateFrom(source));
            outOf.Add(QemuToQemu.MigrateTo(receiver, machine, source.Digest));
            Progress.Show(round, runs, ("QEMU GB/s", Rate(theirs[^1])), ("into QEMU", Rate(into[^1])), ("out of QEMU", Rate(outOf[^1])));
        }
        yield return Compare("ours into a QEMU", into, theirs);
        yield return Compare("out of a QEMU into ours", outOf, theirs);
    }

    static Row Compare(string work, List<MigrationRun> ours, List<MigrationRun> theirs) =>
        Row.OfRates($"2 GiB random, tcp loopback, prefaulted destination, {work}", "QEMU to QEMU, one channel, -mem-prealloc", "GB/s", [.. ours.Select(Rate)], [.. theirs.Select(Rate)], 1.0) with
        {
            Line = 13, Note = $"{MigrationRun.Breakdown("ours", ours)}; {MigrationRun.Breakdown("QEMU", theirs)}",
        };

    static double Rate(MigrationRun run) => run.RateOf(SourceGuest.Size);
}
