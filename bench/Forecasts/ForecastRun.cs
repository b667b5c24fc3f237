using PsMigrate.Bench.Report;
using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;

namespace PsMigrate.Bench.Forecasts;

/// <summary>Guests that migrate over tcp within this process, after a forecast was made.</summary>
sealed class ForecastRun : IDisposable
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    static readonly TimeSpan Measured = TimeSpan.FromSeconds(3);
    const string Here = "bench-here";
    const string There = "bench-there";

    readonly MigrationReceiver _receiver = MigrationReceiver.Start(new ReceiverOptions
    {
        Uri = Engine.Transport.MigrationUri.Parse("tcp:127.0.0.1:0"), HostName = There,
    });

    /// <summary>Measures the link by migrations without a limit; the first ones warm everything up.</summary>
    public ForecastRun()
    {
        const int Rounds = 5;
        var rates = new List<double>();
        for (var round = 0; round < Rounds; round++)
        {
            var (result, windows) = Migrate(new ForecastCase(256, GuestWorkload.Idle, 0, 0, 0, 300), promise: null);
            rates.Add(windows.DefaultIfEmpty(result.TransferredBytes / result.TotalTime.TotalSeconds).Max());
        }
        Bandwidth = Series.Of(rates).Median;
        Console.WriteLine($"  the link carries {Bandwidth / (1 << 20):0} MiB/s");
    }

    /// <summary>What the link carries, bytes/s.</summary>
    public double Bandwidth { get; }

    /// <summary>Forecasts and migrates.</summary>
    public ForecastOutcome Ask(ForecastCase one, int run)
    {
        MigrationForecast? forecast = null;
        var (result, _) = Migrate(one, guest => forecast = Forecast(one, guest));
        var (total, downtime, bytes) = (forecast!.TotalTime, forecast.Downtime, forecast.TransferredBytes);
        return new ForecastOutcome(
            one.ToString(), run, forecast.Verdict, result.State == MigrationStatus.Completed, forecast.Passes.Length, result.Iterations,
            total?.Value.TotalSeconds, result.TotalTime.TotalSeconds, downtime?.Value.TotalSeconds, downtime?.Least.TotalSeconds,
            downtime?.Most?.TotalSeconds, result.Downtime.TotalSeconds, bytes?.Value, result.TransferredBytes, Host.Load());
    }

    public void Dispose() => _receiver.Dispose();

    MigrationForecast Forecast(ForecastCase one, MemoryGuest guest)
    {
        using var measurement = guest.MeasureDirtyRate(new DirtyRateOptions { Duration = Measured });
        GuestDirtyRate? rate;
        while ((rate = measurement.TryFinish(TimeSpan.FromMilliseconds(100))) is null) { }
        return MigrationForecasts.Make(guest, _receiver.Uri, one.Parameters, rate, Bandwidth);
    }

    (MigrationResult Result, double[] Windows) Migrate(ForecastCase one, Action<MemoryGuest>? promise)
    {
        var guest = GuestRegistry.Create(one.Guest(Here));
        try
        {
            promise?.Invoke(guest);
            var migration = Migration.Start(guest, _receiver.Uri, one.Parameters with { Timeout = Limit });
            migration.Wait();
            var state = migration.GetState();
            return (state.Result!, [.. state.Iterations.Select(pass => pass.Bandwidth).Where(rate => rate > 0)]);
        }
        finally
        {
            foreach (var left in GuestRegistry.All.Where(left => left.Host is Here or There)) GuestRegistry.Remove(left);
        }
    }
}
