using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Questions;

/// <summary>A guest that writes much, without a cap: both engines by default.</summary>
sealed class BusyQuestion : IQuestion
{
    static readonly DirtyingCase Case = new(1024, 100_000, 0, 300);

    public string Name => "busy";

    public string Text => "a guest that writes 100 k pages/s to 1024 MiB, unlimited: total time and blackout, our defaults against QEMU's";

    public bool IsTarget => true;

    public IEnumerable<Row> Ask(int runs)
    {
        List<MigrationRun> ours = [], theirs = [];
        for (var round = 1; round <= runs; round++)
        {
            theirs.Add(Case.Qemu(round));
            ours.Add(Case.OursFree(round));
            Progress.Show(round, runs, ("QEMU ms", Total(theirs[^1])), ("blackout", Blackout(theirs[^1])), ("ours ms", Total(ours[^1])), ("blackout", Blackout(ours[^1])));
        }
        yield return Compare("total", Total);
        yield return Compare("blackout", Blackout);

        Row Compare(string what, Func<MigrationRun, double> figure) =>
            Row.OfShares($"{Case}, our defaults: {what}", "QEMU to QEMU", "ms", [.. ours.Select(figure)], [.. theirs.Select(figure)], 0.5) with
            {
                Line = 11, Note = $"{MigrationRun.Breakdown("ours", ours)}; {MigrationRun.Breakdown("QEMU", theirs)}",
            };
    }

    static double Total(MigrationRun run) => run.Total.TotalMilliseconds;

    static double Blackout(MigrationRun run) => run.Blackout!.Value.TotalMilliseconds;
}
