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
        yield return $"It goes by QEMU's rule: it switches over when what is left fits -MaxDowntime{(asked.ShortensStop ? ", and a little later where the stop is then half as long or less" : "")}.{Policy(request)}";
        yield return $"The link carries {Rate(request.Bandwidth.Value)}, {request.Bandwidth.Text}, and nobody else uses it.";
        yield return Where(request.Curve);
        var curve = request.Curve;
        yield return string.Create(culture, $"{Size(curve.UsedBytes)} of {Size(curve.TotalBytes)} may hold something")
            + (curve.ZeroShare is { } zero ? string.Create(culture, $", {100 * zero:0} % of that zeros.") : "; how much of that is zeros was not looked at.");
        if (asked.Differences != DifferencesUse.Never && asked.Shares.Again < asked.Shares.Fresh)
            yield return string.Create(culture, $"A page that goes again as what changed in it takes {100 * asked.Shares.Again:0.#} % of its size.");
        if (request.Parameters is { Xbzrle: true, Channels: 0 } && curve.DeltaShare is null)
            yield return "How much pages differ from what they were is not known: with -Xbzrle, too, they are taken as whole.";
        if (request.Parameters.Compression != MigrationCompression.None && curve.CompressedShare is null)
            yield return "How well pages compress is not known: with -Compression, too, they are taken as whole.";
        if (asked.Shares.Fresh < 1) yield return string.Create(culture, $"Pages that are not zero take {100 * asked.Shares.Fresh:0.#} % of their size on the link.");
        if (asked.MaxBandwidth > 0) yield return "The limit holds while the guest runs; the last pages go as fast as the link carries them.";
    }

    /// <summary>What the policy of the migration may do, and the forecast does not.</summary>
    static string Policy(ForecastRequest request)
    {
        var parameters = request.Parameters;
        if (parameters.ObserveOnly || (request.IsDriven ? parameters.EffectivePolicy : parameters.OwnPolicy) is not { } policy) return "";
        if (!policy.Has(PolicyActionKind.Adaptive)) return $" The policy {policy.Name} may do more.";
        var (slows, goes) = (parameters.AutoConverge || parameters.MaxThrottle > 0, parameters.Postcopy);
        if (!slows && !goes) return $" The policy {policy.Name} does no more than that without leave: with -MaxThrottle or -Postcopy it may.";
        return $" The policy {policy.Name} may do more: {(slows ? "slow the guest down" : "")}{(slows && goes ? " or " : "")}{(goes ? "let it go over before its memory" : "")}.";
    }

    static string Where(DirtyCurve curve) => curve.Places switch
    {
        { Walk: not null } => "The guest writes one page after the other, and is migrated at once: where it stands then decides how much goes again. The ranges are for wherever it stands.",
        not null => "Pages are written where they were while it was measured.",
        null when curve.ZeroPlaces is not null => "Pages are written where the memory is not zero, alike all over that. A guest that walks through it is sent sooner or later, depending on where it stands.",
        null => "Pages are written alike all over the memory in use. A guest that walks through it is sent sooner or later, depending on where it stands.",
    };

    static string Rate(double bytesPerSecond) => $"{Size(bytesPerSecond)}/s";

    static string Size(double bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (1 << 20):0.#} MB");
}
