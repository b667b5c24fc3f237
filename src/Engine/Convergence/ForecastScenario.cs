using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>A request as a precopy to be gone through. Pure.</summary>
static class ForecastScenario
{
    // What two channels compress with zstd at level 1, bytes of pages per second (docs/performance.md).
    const double ZstdRate = 0.6e9;

    /// <summary>As it is asked for.</summary>
    public static PrecopyScenario From(ForecastRequest request)
    {
        var parameters = request.Parameters;
        var adapts = request.IsAdaptive && parameters is { Means: MigrationMeans.Adaptive, Channels: 0 };
        var scenario = new PrecopyScenario
        {
            Curve = request.Curve, Bandwidth = request.Bandwidth.Value, MaxBandwidth = parameters.MaxBandwidth,
            SwitchoverBandwidth = parameters.SwitchoverBandwidth, MaxDowntime = parameters.MaxDowntime, Sender = request.Sender,
            CountsPages = adapts, Differences = Use(request, adapts),
            Shares = new WireShares(request.Curve.ZeroShare ?? 0, adapts ? request.SparseShare : 1, Again(request.Curve)),
        };
        return parameters.Compression == MigrationCompression.None ? scenario : Compressed(scenario);
    }

    /// <summary>The same through channels that compress.</summary>
    public static PrecopyScenario Compressed(PrecopyScenario scenario) => scenario with
    {
        Differences = DifferencesUse.Never, CountsPages = false,
        Shares = scenario.Shares with { Fresh = scenario.Curve.CompressedShare ?? 1 },
        Sender = scenario.Sender with { SmallPages = ZstdRate },
    };

    static DifferencesUse Use(ForecastRequest request, bool adapts) =>
        request.Curve.DeltaShare is null || request.Parameters.Channels > 0 ? DifferencesUse.Never
        : request.Parameters.Xbzrle ? DifferencesUse.Asked
        : adapts ? DifferencesUse.Adaptive
        : DifferencesUse.Never;

    static double Again(DirtyCurve curve) => Math.Clamp(curve.DeltaShare ?? 1, 0, 1);
}
