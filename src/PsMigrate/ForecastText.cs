using PsMigrate.Engine.Model;

namespace PsMigrate;

/// <summary>A forecast in a sentence.</summary>
public static class ForecastText
{
    /// <summary>How it would go, with its numbers.</summary>
    public static string Sentence(MigrationForecast forecast)
    {
        var probably = forecast.IsProbable ? "probably " : "";
        var link = $"with a link of {Figures.Rate(forecast.Bandwidth)}";
        if (forecast is { TotalTime: { } time, Downtime: { } downtime, TransferredBytes: { } bytes })
            return $"Forecast: it {(probably.Length > 0 ? "probably ends" : "ends")} after {Figures.Count(forecast.Passes.Length, "pass", "passes")} and {time}, the guest stands for "
                + $"{downtime}, and {bytes} are sent, {link}.";
        var levers = forecast.Levers.Length == 0
            ? "nothing was found that is enough"
            : $"what would do: {string.Join("; ", forecast.Levers.Select(lever => lever.ToString()))}";
        return $"Forecast: it {probably}does not end ({forecast.Bottleneck}), {link}; {levers}.";
    }
}
