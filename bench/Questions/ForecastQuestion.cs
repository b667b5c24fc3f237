using System.Globalization;
using PsMigrate.Bench.Forecasts;
using PsMigrate.Bench.Report;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Questions;

/// <summary>How close forecasts come: guests in memory over tcp within this process, most of them under a cap, which makes them repeatable.</summary>
sealed class ForecastQuestion : IQuestion
{
    public string Name => "forecast";

    public string Text => "forecasts against what came: total time, downtime, verdict; goes on where it was cut off (results/forecast.jsonl)";

    public IEnumerable<Row> Ask(int runs)
    {
        var known = ForecastLines.Read();
        var names = ForecastCase.All.Select(one => one.ToString()).ToHashSet();
        using (var asking = new Lazy())
            foreach (var one in ForecastCase.All)
                for (var run = 1; run <= runs; run++)
                {
                    var outcome = known.Find(old => old.Case == one.ToString() && old.Run == run);
                    if (outcome is null) known.Add(outcome = asking.Ask(one, run));
                    Show(outcome);
                }
        return Rows([.. known.Where(outcome => names.Contains(outcome.Case) && outcome.Run <= runs)]).Select(row => row with { Subject = Name });
    }

    static IEnumerable<Row> Rows(ForecastOutcome[] outcomes)
    {
        var alike = outcomes.Where(outcome => outcome.IsComparable).ToArray();
        if (alike.Length == 0) throw new BenchException("No migration ended that was forecast to end.");
        yield return Row.OfFigures("forecast: error of the total time", "share", [.. alike.Select(one => one.TotalError)], 0.10) with
        {
            Note = Percentile("90 of 100 within", alike.Select(one => one.TotalError)),
        };
        yield return Row.OfFigures("forecast: error of the downtime", "share", [.. alike.Select(one => one.DowntimeError)], 1);
        yield return Row.OfFigures("forecast: width of the downtime's range, by its value", "share", [.. alike.Select(one => one.RangeWidth)], 2);
        yield return Row.OfRates("forecast: downtime within its range", "–", "share", [Share(alike, one => one.IsDowntimeInRange)], [1.0], 0.95);
        yield return Row.OfRates("forecast: verdict right", "–", "share", [Share(outcomes, one => one.IsRight)], [1.0], 0.97);
    }

    static double Share(ForecastOutcome[] outcomes, Predicate<ForecastOutcome> isSo) => (double)outcomes.Count(one => isSo(one)) / outcomes.Length;

    static string Percentile(string words, IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return string.Create(CultureInfo.InvariantCulture, $"{words} {sorted[(int)Math.Ceiling(0.9 * sorted.Length) - 1]:0.000}");
    }

    static void Show(ForecastOutcome one) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"  {one.Case}: {(one.Promised == ForecastVerdict.Converges ? "ends" : "does not end")}, {(one.Ended ? "ended" : "did not end")}; passes {one.PromisedPasses}, {one.Passes}; "
        + $"total {one.PromisedTotal:0.00}, {one.Total:0.00} s; downtime {1000 * one.PromisedDowntime:0.0} ({1000 * one.LeastDowntime:0.0} to {1000 * one.MostDowntime:0.0}), "
        + $"{1000 * one.Downtime:0.0} ms; {one.PromisedBytes >> 20}, {one.Bytes >> 20} MiB"));

    /// <summary>The link is measured only when anything is to be asked.</summary>
    sealed class Lazy : IDisposable
    {
        ForecastRun? _run;

        public ForecastOutcome Ask(ForecastCase one, int run)
        {
            _run ??= new ForecastRun();
            var outcome = _run.Ask(one, run);
            ForecastLines.Add(outcome);
            return outcome;
        }

        public void Dispose() => _run?.Dispose();
    }
}
