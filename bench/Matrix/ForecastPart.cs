using PsMigrate.Engine;

namespace PsMigrate.Bench.Matrix;

/// <summary>Forecasts of guests in memory, measured and made as Test-VmMigration does, against their migrations over tcp to another process.</summary>
sealed class ForecastPart : IMatrixPart
{
    /// <summary>What it measures, and another part sums up too.</summary>
    public static readonly OutcomeLines<ForecastOutcome> Lines = new("forecast", revision: 3, outcome => outcome.Scenario);

    public string Name => "forecast";

    public string Text => "guests in memory over tcp: forecast against actual";

    public bool IsRecast => true;

    public IEnumerable<Figure> Run(MatrixOptions options)
    {
        var scenarios = options.Choose(Scenarios.Forecasts);
        ForecastOutcome[] outcomes = [.. options.IsRecast ? Recast.Of(Lines, scenarios, isOurs: true) : Measure(options, scenarios)];
        if (options.IsRecast) Array.ForEach(outcomes, Measured.Show);
        return
        [
            .. new ForecastSummary("forecast, limit well below the link", Lines.Period, hasTargets: true).Of([.. outcomes.Where(one => one.IsWellBelow)]),
            .. new ForecastSummary("forecast, no such limit", Lines.Period, hasTargets: false).Of([.. outcomes.Where(one => !one.IsWellBelow)]),
        ];
    }

    static List<ForecastOutcome> Measure(MatrixOptions options, IEnumerable<Scenario> scenarios)
    {
        var outcomes = new List<ForecastOutcome>();
        var pair = new Lazy<MatrixPair>();
        try
        {
            foreach (var scenario in scenarios)
            {
                var outcome = options.IsAnew ? null : Lines.Find(scenario.ToString(), scenario.Parameters);
                if (outcome is null) Lines.Add(outcome = Ask(pair.Value, scenario), scenario.Parameters);
                Measured.Show(outcome);
                outcomes.Add(outcome);
            }
        }
        finally
        {
            if (pair.IsValueCreated) pair.Value.Dispose();
        }
        return outcomes;
    }

    static ForecastOutcome Ask(MatrixPair pair, Scenario scenario)
    {
        // Before the guest takes time of the machine.
        var bandwidth = pair.Bandwidth;
        using var loaded = new LoadedGuest(scenario);
        var rate = Measured.Rate(loaded.Guest);
        var forecast = MigrationForecasts.Make(loaded.Guest, pair.Uri, scenario.Parameters, rate, bandwidth);
        var state = pair.Migrate(loaded, scenario.Parameters with { RecordTrace = true }, MatrixOptions.Limit);
        var outcome = Measured.Compare(scenario, forecast, state, ConstantRateModel.Of(rate.Curve!, bandwidth, scenario.Parameters));
        return state.Trace is { } trace ? SimulationPart.Replay(outcome, trace, scenario.Parameters) : outcome;
    }
}
