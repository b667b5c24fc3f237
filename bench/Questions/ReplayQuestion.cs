using System.Globalization;
using PsMigrate.Bench.Replays;
using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Questions;

/// <summary>How close replays come to reality: migrations over tcp under a cap, recorded, replayed as they were, and as the same guest went otherwise.</summary>
sealed class ReplayQuestion : IQuestion
{
    const int CostRounds = 40;

    public string Name => "replay";

    public string Text => "recorded migrations replayed in virtual time against what came: as they were recorded, and under another limit or policy";

    public IEnumerable<Row> Ask(int runs)
    {
        var outcomes = new List<ReplayOutcome>();
        using var asking = new ReplayRun();
        for (var run = 1; run <= runs; run++)
            foreach (var one in ReplayCase.All)
                foreach (var outcome in asking.Ask(one))
                {
                    outcomes.Add(outcome);
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                        $"  {one}: {(outcome.IsOwn ? "recorded" : "other")}, {Words(outcome.Ended)}, said {Words(outcome.IsSaidToEnd)}; {outcome.Total:0.00} s, said {outcome.Said:0.00} s, {100 * outcome.Error:0.0} % off; load {Host.Load()}"));
                }
        return [.. Rows(outcomes).Append(Cost(asking)).Select(row => row with { Subject = Name })];
    }

    static Row Cost(ReplayRun asking)
    {
        // The first ones warm everything up.
        asking.Cost(isFirst: true);
        var pairs = Enumerable.Range(0, CostRounds).Select(round => asking.Cost(isFirst: round % 2 == 0)).ToArray();
        // Of each the better half: the others were disturbed, which has nothing to do with the trace.
        return Row.OfRates("sending with a trace", "without one", "bytes/s", Best(pairs.Select(pair => pair.With)), Best(pairs.Select(pair => pair.Without)), 0.97);

        static double[] Best(IEnumerable<double> rates) => [.. rates.OrderDescending().Take(CostRounds / 2)];
    }

    static IEnumerable<Row> Rows(List<ReplayOutcome> outcomes)
    {
        foreach (var isOwn in new[] { true, false })
        {
            var alike = outcomes.Where(one => one.IsOwn == isOwn).ToArray();
            var ended = alike.Where(one => one.Ended && one.IsSaidToEnd).Select(one => one.Error).ToArray();
            if (ended.Length == 0) continue;
            var what = isOwn ? "as it was recorded" : "under another limit or policy";
            yield return Row.OfFigures($"replay {what}: error of the total time", "share", ended, 0.10);
            yield return Row.OfRates($"replay {what}: verdict right", "–", "share", [(double)alike.Count(one => one.Ended == one.IsSaidToEnd) / alike.Length], [1.0], 0.97);
        }
    }

    static string Words(bool ends) => ends ? "ended" : "did not end";
}
