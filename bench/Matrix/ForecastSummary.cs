namespace PsMigrate.Bench.Matrix;

/// <summary>Forecasts against what came, in figures.</summary>
/// <param name="about">Begins the name of each figure.</param>
/// <param name="date">When it was measured.</param>
/// <param name="hasTargets">Whether the figures are to meet the targets of the matrix.</param>
sealed class ForecastSummary(string about, string date, bool hasTargets)
{
    public IEnumerable<Figure> Of(IReadOnlyCollection<ForecastOutcome> outcomes)
    {
        if (outcomes.Count == 0 && !hasTargets) yield break;
        // Of one that ended and was not promised to, all is wrong.
        var ended = outcomes.Where(one => one.Ended).ToArray();
        var totals = ended.Select(one => one.TotalError).ToArray();
        yield return AtMost("total time, median error", Statistics.Median(totals), 0.10, ended.Length);
        yield return AtMost("total time, 90th percentile of the error", Statistics.Percentile(totals, 0.9), 0.25, ended.Length);
        yield return AtLeast("verdict right, share", Statistics.Share(outcomes, one => one.IsRight), 0.97, outcomes.Count);
        yield return AtLeast("downtime within its range, share", Statistics.Share(ended, one => one.PromisedDowntime?.Holds(one.Downtime) == true), 0.95, ended.Length);
        yield return AtMost("width of the downtime's range by its value, median", Statistics.Median(ended.Select(one => one.PromisedDowntime?.Width).OfType<double>()), 2, ended.Length);
        yield return Plain("downtime, median error", Statistics.Median(ended.Select(one => one.DowntimeError)), ended.Length);
        yield return Plain("total time within its range, share", Statistics.Share(ended, one => one.PromisedTotal?.Holds(one.Total) == true), ended.Length);
        foreach (var figure in Others([.. ended.Where(one => one.IsDirtiedAgain)])) yield return figure;
    }

    IEnumerable<Figure> Others(ForecastOutcome[] again)
    {
        var n = again.Length;
        var ours = Statistics.Median(again.Select(one => one.TotalError));
        var constant = Statistics.Median(again.Select(one => Errors.Of(one.ConstantTotal, one.Total)));
        yield return Plain("pages dirtied again: total time, median error", ours, n);
        yield return Plain("pages dirtied again: total time, median error of a constant rate", constant, n);
        yield return AtLeast("pages dirtied again: total time, times closer than a constant rate", constant / ours, 3, n);
        var downtime = Statistics.Median(again.Select(one => one.DowntimeError));
        var expected = Statistics.Median(again.Select(one => Errors.Of(one.ExpectedDowntime, one.Downtime)));
        yield return Plain("pages dirtied again: downtime, median error", downtime, n);
        yield return Plain("pages dirtied again: downtime, median error of a constant rate", Statistics.Median(again.Select(one => Errors.Of(one.ConstantDowntime, one.Downtime))), n);
        yield return Plain("pages dirtied again: downtime, median error of QEMU's expected-downtime", expected, n);
        yield return AtLeast("pages dirtied again: downtime, times closer than QEMU's expected-downtime", expected / downtime, 3, n);
    }

    Figure AtLeast(string what, double? value, double target, int n) => hasTargets ? Figure.AtLeast($"{about}: {what}", value, target, n) with { Date = date } : Plain(what, value, n);

    Figure AtMost(string what, double? value, double target, int n) => hasTargets ? Figure.AtMost($"{about}: {what}", value, target, n) with { Date = date } : Plain(what, value, n);

    Figure Plain(string what, double? value, int n) => Figure.Plain($"{about}: {what}", value, n) with { Date = date };
}
