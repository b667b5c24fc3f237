using System.Globalization;
using PsMigrate.Bench.Peers;
using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Questions;

/// <summary>
/// Guests that write, with a capped bandwidth, against QEMU's of the same pattern, rate and limits: by the same means, and by what each
/// engine does by default. A line of the target table is the worst of these guests; each has rows of its own beside it.
/// </summary>
sealed class DirtyingQuestion : IQuestion
{
    const long Cap = 200_000_000;

    // QEMU never ends with this one; it is stopped, and counted as if it had ended then.
    static readonly DirtyingCase Endless = new(256, 100_000, Cap, 300);
    static readonly TimeSpan GiveUp = TimeSpan.FromSeconds(6);

    static readonly DirtyingCase[] Plain = [new(256, 10_000, Cap, 300), new(256, 10_000, Cap, 30), new(256, 40_000, Cap, 300), new(256, 40_000, Cap, 30)];
    static readonly DirtyingCase[] Differences = [new(256, 40_000, Cap, 300, Xbzrle: true), new(256, 100_000, Cap, 300, Xbzrle: true)];

    public string Name => "dirtying";

    public string Text => "guests that write, capped at 200 MB/s: total time and blackout by the same means as QEMU, and by our defaults against QEMU's";

    public bool IsTarget => true;

    public IEnumerable<Row> Ask(int runs)
    {
        List<Row> totals = [], blackouts = [], defaults = [];
        foreach (var one in Plain.Concat(Differences))
        {
            var (theirs, alike, free) = Measure(one, runs);
            totals.Add(Compare($"dirtying guest, same means, total: {one}", theirs, alike, Total, 0.95));
            blackouts.Add(Compare($"dirtying guest, same means, blackout: {one}", theirs, alike, Blackout, 0.7));
            if (free.Count > 0) defaults.Add(Compare($"dirtying guest, our defaults, total: {one}", theirs, free, Total, 0.5));
        }
        defaults.Add(MeasureEndless(runs));
        Row[] all = [.. totals, .. blackouts, .. defaults];
        return
        [
            Worst("dirtying guests, same means as QEMU (plain, xbzrle): total, the worst of them", totals, 9),
            Worst("dirtying guests, same means as QEMU (plain, xbzrle): blackout, the worst of them", blackouts, 9),
            Worst("dirtying guests, our defaults against QEMU's, cap binds: total, the worst of them", defaults, 10),
            .. all,
        ];
    }

    static (List<MigrationRun> Theirs, List<MigrationRun> Alike, List<MigrationRun> Free) Measure(DirtyingCase one, int runs)
    {
        Console.WriteLine($"  {one}");
        List<MigrationRun> theirs = [], alike = [], free = [];
        for (var round = 1; round <= runs; round++)
        {
            theirs.Add(one.Qemu(round));
            alike.Add(one.OursAlike(round));
            // QEMU's defaults are without differences.
            if (!one.Xbzrle) free.Add(one.OursFree(round));
            Progress.Show(round, runs, [.. Figures("QEMU", theirs), .. Figures("ours", alike), .. Figures("by default", free)]);
        }
        return (theirs, alike, free);
    }

    static Row MeasureEndless(int runs)
    {
        Console.WriteLine($"  {Endless}; QEMU is stopped after {GiveUp.TotalSeconds} s");
        List<double> theirs = [], ours = [];
        for (var round = 1; round <= runs; round++)
        {
            theirs.Add(Endless.TryQemu(round, GiveUp) is { } their ? Total(their) : GiveUp.TotalMilliseconds);
            ours.Add(Endless.TryOursFree(round, GiveUp) is { } mine ? Total(mine) : GiveUp.TotalMilliseconds);
            Progress.Show(round, runs, ("QEMU ms", theirs[^1]), ("by default", ours[^1]));
        }
        var (note, limit) = ($"QEMU, and ours where it had not ended, is stopped after {GiveUp.TotalSeconds} s and counted as that", GiveUp.TotalMilliseconds);
        return Row.OfShares($"dirtying guest, our defaults, total: {Endless}", "QEMU to QEMU", "ms", ours, theirs, 0.5) with
        {
            Note = ours.Any(time => time >= limit) ? $"{note}; ours did not end either" : note,
        };
    }

    static IEnumerable<(string, double)> Figures(string whose, List<MigrationRun> runs) =>
        runs.Count == 0 ? [] : [($"{whose} ms", Total(runs[^1])), ("blackout", Blackout(runs[^1]))];

    static Row Compare(string work, List<MigrationRun> theirs, List<MigrationRun> ours, Func<MigrationRun, double> figure, double target) =>
        Row.OfShares(work, "QEMU to QEMU", "ms", [.. ours.Select(figure)], [.. theirs.Select(figure)], target) with
        {
            Note = $"{MigrationRun.Breakdown("ours", ours)}; {MigrationRun.Breakdown("QEMU", theirs)}",
        };

    static Row Worst(string work, List<Row> rows, int line)
    {
        var worst = rows.MaxBy(row => row.Ratio)!;
        var note = string.Create(CultureInfo.InvariantCulture, $"{rows.Count(row => row.Met == true)} of {rows.Count} guests meet it; the worst: {worst.Work}. {worst.Note}");
        return worst with { Work = work, Peer = "QEMU to QEMU", Line = line, Note = note };
    }

    static double Total(MigrationRun run) => run.Total.TotalMilliseconds;

    static double Blackout(MigrationRun run) => run.Blackout!.Value.TotalMilliseconds;
}
