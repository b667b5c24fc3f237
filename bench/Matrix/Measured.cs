using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Matrix;

/// <summary>What both parts with forecasts do alike.</summary>
static class Measured
{
    static readonly TimeSpan Duration = TimeSpan.FromSeconds(3);
    static readonly TimeSpan Step = TimeSpan.FromMilliseconds(100);

    /// <summary>As Test-VmMigration measures it.</summary>
    public static GuestDirtyRate Rate(Guest guest)
    {
        using var measurement = guest.MeasureDirtyRate(new DirtyRateOptions { Duration = Duration });
        GuestDirtyRate? rate;
        while ((rate = measurement.TryFinish(Step)) is null) { }
        return rate;
    }

    /// <summary>What was promised beside what came.</summary>
    public static ForecastOutcome Compare(Scenario scenario, MigrationForecast forecast, MigrationState state, ConstantRateModel constant)
    {
        var result = state.Result!;
        // The last one is that of the switch-over.
        var passes = state.Iterations.Where(pass => !pass.IsFinal).ToArray();
        var came = new ForecastOutcome
        {
            Scenario = scenario.ToString(), Load = scenario.Load, Cap = scenario.Parameters.MaxBandwidth, Bandwidth = forecast.Bandwidth,
            Promised = forecast.Verdict, Ended = result.State == MigrationStatus.Completed, Passes = result.Iterations,
            Total = result.TotalTime.TotalSeconds, Downtime = result.Downtime.TotalSeconds,
            FinalRam = result.DowntimeParts.FinalRam.TotalSeconds, FinalBytes = passes.LastOrDefault()?.RemainingBytes ?? 0, Bytes = result.TransferredBytes,
            ExpectedDowntime = passes.LastOrDefault()?.Qemu.ExpectedDowntime / 1000.0,
            Curve = forecast.Curve, History = [.. passes.TakeLast(40).Select(pass => new PassFigures(pass.Duration.TotalSeconds, pass.Bytes, pass.RemainingBytes))],
            MachineLoad = Report.Host.Load(),
        };
        return Promise(came, forecast, constant);
    }

    /// <summary>What came, with what was promised.</summary>
    public static ForecastOutcome Promise(ForecastOutcome came, MigrationForecast forecast, ConstantRateModel constant) => came with
    {
        Promised = forecast.Verdict, IsProbable = forecast.IsProbable, PromisedPasses = forecast.Passes.Length,
        PromisedTotal = PromisedTime.Of(forecast.TotalTime), PromisedDowntime = PromisedTime.Of(forecast.Downtime), PromisedBytes = forecast.TransferredBytes?.Value,
        ConstantTotal = constant.Total, ConstantDowntime = constant.Downtime,
    };

    public static void Show(ForecastOutcome one) => Console.WriteLine(FormattableString.Invariant(
        $"  {one.Scenario}: {(one.IsProbable ? "probably " : "")}{(one.Promised == ForecastVerdict.Converges ? "ends" : "does not end")}, {(one.Ended ? "ended" : "did not end")}; passes {one.PromisedPasses}, {one.Passes}; ")
        + FormattableString.Invariant($"total {one.PromisedTotal?.Value:0.00} ({one.ConstantTotal:0.00} by one rate), {one.Total:0.00} s; downtime {1000 * one.PromisedDowntime?.Value:0.0} ")
        + FormattableString.Invariant($"({1000 * one.PromisedDowntime?.Least:0.0} to {1000 * one.PromisedDowntime?.Most:0.0}; expected {1000 * one.ExpectedDowntime:0}), {1000 * one.Downtime:0.0} ms; {one.PromisedBytes >> 20}, {one.Bytes >> 20} MiB"));
}
