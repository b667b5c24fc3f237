using PsMigrate.Engine;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Matrix;

/// <summary>What would be promised of a migration that was measured before: from the curve that was kept, in no time, so that a change of the model is seen at once.</summary>
static class Recast
{
    static readonly MigrationUri Anywhere = MigrationUri.Parse("tcp:127.0.0.1:0");

    /// <summary>The outcomes that there are of these scenarios, each with what is promised of it by now.</summary>
    public static IEnumerable<ForecastOutcome> Of(OutcomeLines<ForecastOutcome> lines, IEnumerable<Scenario> scenarios, bool isOurs)
    {
        foreach (var scenario in scenarios)
            if (lines.FindAny(scenario.ToString()) is { Curve: not null } outcome) yield return Of(outcome, scenario, isOurs);
    }

    static ForecastOutcome Of(ForecastOutcome outcome, Scenario scenario, bool isOurs)
    {
        var forecast = MigrationForecasts.Recast(outcome.Curve!, Anywhere, scenario.Parameters, outcome.Bandwidth, isOurs);
        var constant = ConstantRateModel.Of(outcome.Curve!, outcome.Bandwidth, scenario.Parameters);
        return Measured.Promise(outcome, forecast, constant);
    }
}
