using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Questions;

/// <summary>The same RAM from QEMU to QEMU, every destination cold.</summary>
sealed class QemuQuestion : IQuestion
{
    public string Name => "qemu";

    public string Text => "2 GiB random RAM, paused, tcp loopback, one channel, cold destination, against QEMU to QEMU (-M none)";

    public bool IsTarget => true;

    public IEnumerable<Row> Ask(int runs)
    {
        var source = SourceGuest.Random;
        // The sender is compiled before it is measured.
        ReceiverProcess.TakeCold(source);
        List<MigrationRun> ours = [], theirs = [];
        for (var round = 1; round <= runs; round++)
        {
            theirs.Add(QemuToQemu.Migrate(new QemuOptions(SourceGuest.Size) { Image = SourceGuest.RandomImage }, isPrefaulted: false));
            ours.Add(ReceiverProcess.TakeCold(source));
            Progress.Show(round, runs, ("QEMU GB/s", Rate(theirs[^1])), ("ours", Rate(ours[^1])));
        }
        yield return Row.OfRates("2 GiB random, tcp loopback, cold destination", "QEMU to QEMU, one channel", "GB/s", [.. ours.Select(Rate)], [.. theirs.Select(Rate)], 2.0) with
        {
            Line = 2, Note = $"{MigrationRun.Breakdown("ours", ours)}; {MigrationRun.Breakdown("QEMU", theirs)}",
        };
    }

    static double Rate(MigrationRun run) => run.RateOf(SourceGuest.Size);
}
