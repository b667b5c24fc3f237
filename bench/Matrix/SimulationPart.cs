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
        ForecastOutcome[] replayed = [.. options.Choose(Scenarios.Forecasts).Select(one => ForecastPart.Lines.Find(one.ToString(), one.Parameters)).OfType<ForecastOutcome>().Where(one => one.IsReplayed)];
        if (replayed.Length == 0) throw new BenchException("Nothing was recorded yet: the part forecast comes before.", isSkip: true);
        foreach (var one in replayed)
            Console.WriteLine(FormattableString.Invariant($"  {one.Scenario}: {(one.Ended ? "ended" : "did not end")}, {one.Total:0.00} s; replayed {one.ReplayedTotal:0.00} s"));
        // A replay that does not end of one that did is wrong by all of it.
        var ended = replayed.Where(one => one.Ended).Select(one => Errors.Of(one.ReplayedTotal, one.Total)).ToArray();
        return new[]
        {
            Figure.AtMost("simulation: total time of a replay, median error", Statistics.Median(ended), 0.10, ended.Length),
            Figure.Plain("simulation: total time of a replay, 90th percentile of the error", Statistics.Percentile(ended, 0.9), ended.Length),
            Figure.AtLeast("simulation: verdict right, share", Statistics.Share(replayed, one => one.Ended == (one.ReplayedTotal is not null)), 0.97, replayed.Length),
        }.Select(figure => figure with { Date = ForecastPart.Lines.Period });
    }
}
