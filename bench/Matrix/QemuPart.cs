using PsMigrate.Bench.Report;
using PsMigrate.Engine;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Matrix;

/// <summary>The same with guests of real QEMUs under TCG, driven over QMP: measured by calc-dirty-rate, and QEMU sends.</summary>
sealed class QemuPart : IMatrixPart
{
    const int Rounds = 2;
    static readonly Scenario Plain = new(512, GuestLoad.Idle, 400, 0, 0, 300);

    readonly OutcomeLines<ForecastOutcome> _lines = new("qemu", revision: 3, outcome => outcome.Scenario);
    double? _bandwidth;

    public string Name => "qemu";

    public string Text => "guests of a QEMU under TCG, driven over QMP: forecast against actual";

    public bool IsRecast => true;

    public IEnumerable<Figure> Run(MatrixOptions options)
    {
        var scenarios = options.Choose(Scenarios.Qemus);
        ForecastOutcome[] outcomes = [.. options.IsRecast ? Recast.Of(_lines, scenarios, isOurs: false) : Measure(options, scenarios)];
        if (options.IsRecast) Array.ForEach(outcomes, Measured.Show);
        return
        [
            .. new ForecastSummary("QEMU under TCG, limit well below the link", _lines.Period, hasTargets: true).Of([.. outcomes.Where(one => one.IsWellBelow)]),
            .. new ForecastSummary("QEMU under TCG, no such limit", _lines.Period, hasTargets: false).Of([.. outcomes.Where(one => !one.IsWellBelow)]),
        ];
    }

    List<ForecastOutcome> Measure(MatrixOptions options, IEnumerable<Scenario> scenarios)
    {
        var outcomes = new List<ForecastOutcome>();
        foreach (var scenario in scenarios)
        {
            var outcome = options.IsAnew ? null : _lines.Find(scenario.ToString(), scenario.Parameters);
            if (outcome is null) _lines.Add(outcome = Ask(scenario), scenario.Parameters);
            Measured.Show(outcome);
            outcomes.Add(outcome);
        }
        return outcomes;
    }

    ForecastOutcome Ask(Scenario scenario)
    {
        var bandwidth = _bandwidth ??= MeasureBandwidth();
        using var run = new QemuRun(scenario);
        var rate = Measured.Rate(run.Guest);
        var forecast = MigrationForecasts.Make(run.Guest, MigrationUri.Parse("tcp:127.0.0.1:0"), scenario.Parameters, rate, bandwidth);
        var state = run.Migrate(scenario.Parameters);
        return Measured.Compare(scenario, forecast, state, ConstantRateModel.Of(rate.Curve!, bandwidth, scenario.Parameters));
    }

    /// <summary>By migrations without a limit; each of two QEMUs that are new.</summary>
    static double MeasureBandwidth()
    {
        var rates = new List<double>();
        for (var round = 0; round < Rounds; round++)
        {
            using var run = new QemuRun(Plain);
            var state = run.Migrate(Plain.Parameters);
            rates.Add(state.Iterations.Select(pass => pass.Bandwidth).Append(state.Result!.TransferredBytes / state.Result.TotalTime.TotalSeconds).Max());
        }
        var median = Series.Of(rates).Median;
        Console.WriteLine($"  QEMU's link carries {median / (1 << 20):0} MiB/s");
        return median;
    }
}
