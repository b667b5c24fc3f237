using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Questions;

/// <summary>RAM that was never written, from QEMU to QEMU and from ours to ours, every process new at the destination.</summary>
sealed class UntouchedQuestion : IQuestion
{
    public string Name => "untouched";

    public string Text => "an untouched guest of 2 GiB, tcp loopback, against QEMU to QEMU";

    public bool IsTarget => true;

    public IEnumerable<Row> Ask(int runs)
    {
        using var source = new SourceGuest(GuestContent.Zero);
        ReceiverProcess.TakeCold(source);
        List<MigrationRun> ours = [], theirs = [];
        for (var round = 1; round <= runs; round++)
        {
            theirs.Add(QemuToQemu.Migrate(new QemuOptions(SourceGuest.Size), isPrefaulted: false));
            ours.Add(ReceiverProcess.TakeCold(source));
            Progress.Show(round, runs, ("QEMU ms", Time(theirs[^1])), ("ours", Time(ours[^1])));
        }
        yield return Row.OfTimes("2 GiB untouched, tcp loopback", "QEMU to QEMU", "ms", [.. ours.Select(Time)], [.. theirs.Select(Time)], 5.0) with
        {
            Line = 6, Note = $"{MigrationRun.Breakdown("ours", ours)}; {MigrationRun.Breakdown("QEMU", theirs)}",
        };
    }

    static double Time(MigrationRun run) => run.Total.TotalMilliseconds;
}
