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
        var cache = Cache(parameters, adapts);
        var scenario = new PrecopyScenario
        {
            Curve = request.Curve, Bandwidth = request.Bandwidth.Value, MaxBandwidth = parameters.MaxBandwidth,
            SwitchoverBandwidth = parameters.SwitchoverBandwidth, MaxDowntime = parameters.MaxDowntime, Sender = request.Sender,
            ShortensStop = !request.IsDriven && parameters is { ObserveOnly: false, Mode: MigrationMode.Precopy } && parameters.OwnPolicy?.Has(PolicyActionKind.Adaptive) == true,
            CountsPages = adapts, Differences = Use(request, adapts), CacheSize = request.IsDriven ? 0 : cache,
            Shares = new WireShares(request.Curve.ZeroShare ?? 0, adapts ? request.SparseShare : 1, Again(request.Curve, cache)),
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

    static long Cache(MigrationParameters parameters, bool adapts) =>
        parameters.XbzrleCacheSize > 0 ? parameters.XbzrleCacheSize : adapts && !parameters.Xbzrle ? MeansRule.MostCache : MigrationParameters.DefaultXbzrleCacheSize;

    /// <summary>
    /// What a page takes that goes again: a difference when it is found among those that were kept, and all of it when another page has its place,
    /// which two share where more is written than is kept. A guest that walks comes to the other one each time.
    /// </summary>
    static double Again(DirtyCurve curve, long cache)
    {
        var written = curve.Points.Max(point => point.Bytes);
        var found = written <= cache ? 1 : curve.Places?.Walk is null ? cache / written : Math.Max(0, (2 * cache) - written) / written;
        return (found * Math.Clamp(curve.DeltaShare ?? 1, 0, 1)) + (1 - found);
    }
}
