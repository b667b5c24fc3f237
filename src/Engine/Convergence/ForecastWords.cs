using System.Globalization;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>A forecast's reasons and assumptions in words. Pure.</summary>
static class ForecastWords
{
    // What is always left fits so many times the downtime allowed: then that is what is short, and else the link.
    const double CloseBy = 3;

    /// <summary>What takes the time; where it does not end, what keeps it from that.</summary>
    public static MigrationBottleneck Bottleneck(PrecopyScenario asked, SimulatedPrecopy run)
    {
        var isCapped = BottleneckRule.IsCapped(run.Bandwidth, asked.MaxBandwidth);
        if (run.Converged)
            return isCapped ? MigrationBottleneck.BandwidthCapped : run.Passes.Count <= 2 ? MigrationBottleneck.FirstPass : MigrationBottleneck.None;
        if (isCapped && PrecopySimulation.Run(asked with { MaxBandwidth = 0 }).Converged) return MigrationBottleneck.BandwidthCapped;
        return run.Passes is [.., var last] && run.LeastRemaining <= CloseBy * last.Threshold
            ? MigrationBottleneck.DowntimeBudgetTooSmall
            : MigrationBottleneck.DirtyRateExceedsBandwidth;
    }

    /// <summary>What is taken for granted.</summary>
    public static IEnumerable<string> Assumptions(ForecastRequest request, PrecopyScenario asked)
    {
        var culture = CultureInfo.InvariantCulture;
        yield return string.Create(culture, $"The guest goes on as it did while it was measured, for {request.Duration.TotalSeconds:0.##} s; what it dirties in longer passes follows from how the curve bends.");
        yield return $"The link carries {Rate(request.Bandwidth.Value)}, {request.Bandwidth.Text}, and nobody else uses it.";
        yield return Where(request.Curve.Places);
        var curve = request.Curve;
        yield return string.Create(culture, $"{Size(curve.UsedBytes)} of {Size(curve.TotalBytes)} may hold something")
            + (curve.ZeroShare is { } zero ? string.Create(culture, $", {100 * zero:0} % of that zeros.") : "; how much of that is zeros was not looked at.");
        if (asked.Differences != DifferencesUse.Never && asked.Shares.Again < asked.Shares.Fresh)
            yield return string.Create(culture, $"A page that goes again as what changed in it takes {100 * asked.Shares.Again:0.#} % of its size.");
        if (asked.Shares.Fresh < 1) yield return string.Create(culture, $"Pages that are not zero take {100 * asked.Shares.Fresh:0.#} % of their size on the link.");
        if (asked.MaxBandwidth > 0) yield return "The limit holds while the guest runs; the last pages go as fast as the link carries them.";
    }

    static string Where(DirtyPlaces? places) => places switch
    {
        { Walk: not null } => "The guest writes one page after the other, and is migrated at once: where it stands then decides how much goes again. The ranges are for wherever it stands.",
        not null => "Pages are written where they were while it was measured.",
        null => "Pages are written alike all over the memory in use. A guest that walks through it is sent sooner or later, depending on where it stands.",
    };

    static string Rate(double bytesPerSecond) => $"{Size(bytesPerSecond)}/s";

    static string Size(double bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (1 << 20):0.#} MB");
}
