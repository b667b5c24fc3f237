using PsMigrate.Engine;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Matrix;

/// <summary>Simulation against reality: the migrations of the forecast part were recorded, and replayed in virtual time as they were.</summary>
sealed class SimulationPart : IMatrixPart
{
    public string Name => "simulation";

    public string Text => "the migrations of the part forecast, replayed in virtual time";

    /// <summary>With what a replay says.</summary>
    public static ForecastOutcome Replay(ForecastOutcome outcome, MigrationTrace trace, MigrationParameters parameters)
    {
        // As it comes from a file.
        var row = MigrationReplays.Compare(MigrationTrace.FromJson(trace.ToJson()), [parameters.Policy!], new ReplayOptions { Timeout = MatrixOptions.Limit }).Last();
        return outcome with { IsReplayed = true, ReplayedTotal = row.Converged ? row.TotalTime.TotalSeconds : null };
    }

    public IEnumerable<Figure> Run(MatrixOptions options)
    {
        var known = ForecastPart.Lines.Read();
        ForecastOutcome[] replayed = [.. options.Choose(Scenarios.Forecasts).Select(one => known.GetValueOrDefault(one.ToString())).OfType<ForecastOutcome>().Where(one => one.IsReplayed)];
        if (replayed.Length == 0) throw new BenchException("Nothing was recorded yet: the part forecast comes before.", isSkip: true);
        foreach (var one in replayed)
            Console.WriteLine(FormattableString.Invariant($"  {one.Scenario}: {(one.Ended ? "ended" : "did not end")}, {one.Total:0.00} s; replayed {one.ReplayedTotal:0.00} s"));
        var ended = replayed.Where(one => one.Ended && one.ReplayedTotal is not null).Select(one => Errors.Of(one.ReplayedTotal, one.Total)).ToArray();
        yield return Figure.AtMost("simulation: total time of a replay, median error", Statistics.Median(ended), 0.10, ended.Length);
        yield return Figure.Plain("simulation: total time of a replay, 90th percentile of the error", Statistics.Percentile(ended, 0.9), ended.Length);
        yield return Figure.Plain("simulation: verdict right, share", Statistics.Share(replayed, one => one.Ended == (one.ReplayedTotal is not null)), replayed.Length);
    }
}
