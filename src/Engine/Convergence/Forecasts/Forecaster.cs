using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>
/// How a migration would go: the precopy gone through in virtual time with what was measured, and with the least and the most of it for the
/// ranges (docs/convergence.md). Pure.
/// </summary>
static class Forecaster
{
    // Places of a round that are looked at.
    const int Rounds = 8;

    // Of what is left after a pass: so close it is known.
    const double Hair = 0.05;

    // By how much faster or slower small pages go than they do on the whole.
    const double SmallSpread = 1.6;

    // A machine and a link are never quite the same twice.
    const double TimeSpread = 0.03;

    public static MigrationForecast Forecast(ForecastRequest request)
    {
        var asked = ForecastScenario.From(request);
        var plain = PrecopySimulation.Run(asked);
        ForecastLever[] levers = [.. new ForecastLevers(request, asked, plain).Find()];
        (SimulatedPrecopy Run, bool IsBound)[] others = [.. Others(request, asked), .. AtOnce(request, asked)];
        SimulatedPrecopy[] all = [plain, .. others.Select(other => other.Run)];
        var downtime = plain.Converged ? new DowntimeRange(asked, request.Bandwidth).Of(plain, others) : null;
        return new MigrationForecast
        {
            Name = request.Name, HostName = request.HostName, Destination = request.Destination,
            MaxDowntime = request.Parameters.MaxDowntime, MaxBandwidth = request.Parameters.MaxBandwidth,
            Means = request.Parameters.Means, Channels = request.Parameters.Channels, Compression = request.Parameters.Compression, Xbzrle = request.Parameters.Xbzrle,
            Verdict = plain.Converged ? ForecastVerdict.Converges : levers.Length > 0 ? ForecastVerdict.ConvergesWith : ForecastVerdict.WillNotConverge,
            IsProbable = all.Any(one => one.Converged != plain.Converged),
            Passes = [.. Passes(plain)],
            TotalTime = plain.Converged ? TotalTime(plain, all) : null,
            Downtime = downtime,
            DowntimeParts = downtime is null ? null : PromisedDowntime.Parts(plain, asked, downtime.Value),
            TransferredBytes = plain.Converged ? Bytes(plain, all) : null,
            Bottleneck = ForecastWords.Bottleneck(asked, plain),
            Levers = levers,
            Assumptions = [.. ForecastWords.Assumptions(request, asked)],
            Bandwidth = request.Bandwidth.Value, BandwidthOrigin = request.Bandwidth.Origin,
            Curve = request.Curve, Duration = request.Duration,
        };
    }

    /// <summary>A guest that walks has gone on when it is migrated: the same from other places of its round.</summary>
    static IEnumerable<SimulatedPrecopy> Elsewhere(PrecopyScenario asked)
    {
        if (asked.Curve.Places is not { Walk: { } walk } places) yield break;
        for (var place = 1; place < Rounds; place++)
        {
            var at = walk.First + ((walk.Position - walk.First + (walk.Length / Rounds * place)) % walk.Length);
            yield return PrecopySimulation.Run(asked with { Curve = asked.Curve with { Places = places with { Walk = walk with { Position = at } } } });
        }
    }

    /// <summary>With the least and the most of what was measured, which are marked, and from other places.</summary>
    static IEnumerable<(SimulatedPrecopy Run, bool IsBound)> Others(ForecastRequest request, PrecopyScenario asked) =>
    [
        (PrecopySimulation.Run(asked with { Bound = CurveBound.Least, Bandwidth = request.Bandwidth.Most }), true),
        (PrecopySimulation.Run(asked with { Bound = CurveBound.Most, Bandwidth = request.Bandwidth.Least }), true),
        .. Elsewhere(asked).Select(run => (run, false)),
        .. Nearly(asked).Select(run => (run, false)),
    ];

    /// <summary>
    /// What is left after a pass may fit by a hair, or not: then there is another pass. Of pages that go as a few bytes tens of MB go between two looks at
    /// what is left.
    /// </summary>
    static IEnumerable<SimulatedPrecopy> Nearly(PrecopyScenario asked) =>
    [
        PrecopySimulation.Run(asked with { MaxDowntime = asked.MaxDowntime * (1 - Hair) }),
        PrecopySimulation.Run(asked with { MaxDowntime = asked.MaxDowntime * (1 + Hair) }),
        PrecopySimulation.Run(asked with { Sender = asked.Sender with { SmallPages = asked.Sender.SmallPages / SmallSpread } }),
        PrecopySimulation.Run(asked with { Sender = asked.Sender with { SmallPages = asked.Sender.SmallPages * SmallSpread } }),
    ];

    /// <summary>A policy that holds the switch-over back gives that up at the first sign that it brings nothing: then it goes by QEMU's rule.</summary>
    static IEnumerable<(SimulatedPrecopy Run, bool IsBound)> AtOnce(ForecastRequest request, PrecopyScenario asked)
    {
        if (!asked.ShortensStop) return [];
        var atOnce = asked with { ShortensStop = false };
        return [(PrecopySimulation.Run(atOnce), false), .. Others(request, atOnce)];
    }

    static IEnumerable<ForecastPass> Passes(SimulatedPrecopy run)
    {
        var sent = 0.0;
        for (var i = 0; i < run.Passes.Count; sent += run.Passes[i++].Bytes)
            yield return new ForecastPass(i + 1, run.Passes[i].Duration, (long)run.Passes[i].Bytes, (long)run.Passes[i].Remaining);
        if (run.Converged) yield return new ForecastPass(run.Passes.Count + 1, run.Downtime, (long)(run.Bytes - sent), 0);
    }

    static ForecastTime TotalTime(SimulatedPrecopy plain, SimulatedPrecopy[] all) => new(
        plain.TotalTime,
        all.Where(one => one.Converged).Min(one => one.TotalTime) * (1 - TimeSpread),
        all.All(one => one.Converged) ? all.Max(one => one.TotalTime) * (1 + TimeSpread) : null);

    static ForecastBytes Bytes(SimulatedPrecopy plain, SimulatedPrecopy[] all) => new(
        (long)plain.Bytes,
        (long)(all.Where(one => one.Converged).Min(one => one.Bytes) * (1 - TimeSpread)),
        all.All(one => one.Converged) ? (long)(all.Max(one => one.Bytes) * (1 + TimeSpread)) : null);
}
