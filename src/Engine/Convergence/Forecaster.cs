using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>
/// How a migration would go: the precopy gone through in virtual time with what was measured, and with the least and the most of it for the
/// ranges (docs/convergence.md). Pure.
/// </summary>
static class Forecaster
{
    // What is left at the end differs from one migration to the next, for it depends on the moment: it may be so little, or so much more.
    const double LeastLeft = 0.4;
    const double MostLeft = 1.3;

    // Places of a round that are looked at.
    const int Rounds = 8;

    // A machine and a link are never quite the same twice.
    const double TimeSpread = 0.03;

    public static MigrationForecast Forecast(ForecastRequest request)
    {
        var asked = ForecastScenario.From(request);
        var plain = PrecopySimulation.Run(asked);
        var best = PrecopySimulation.Run(asked with { Bound = CurveBound.Least, Bandwidth = request.Bandwidth.Most });
        var worst = PrecopySimulation.Run(asked with { Bound = CurveBound.Most, Bandwidth = request.Bandwidth.Least });
        ForecastLever[] levers = [.. new ForecastLevers(request, asked, plain).Find()];
        SimulatedPrecopy[] all = [plain, best, worst, .. Elsewhere(asked)];
        return new MigrationForecast
        {
            Name = request.Name, HostName = request.HostName, Destination = request.Destination,
            MaxDowntime = request.Parameters.MaxDowntime, MaxBandwidth = request.Parameters.MaxBandwidth,
            Means = request.Parameters.Means, Channels = request.Parameters.Channels, Compression = request.Parameters.Compression, Xbzrle = request.Parameters.Xbzrle,
            Verdict = plain.Converged ? ForecastVerdict.Converges : levers.Length > 0 ? ForecastVerdict.ConvergesWith : ForecastVerdict.WillNotConverge,
            IsProbable = all.Any(one => one.Converged != plain.Converged),
            Passes = [.. Passes(plain)],
            TotalTime = plain.Converged ? TotalTime(plain, all) : null,
            Downtime = plain.Converged ? Downtime(plain, all, asked) : null,
            DowntimeParts = plain.Converged ? PromisedDowntime.Parts(plain, asked, Downtime(plain, all, asked).Value) : null,
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

    /// <summary>The value is that of the simulation, however far apart the bounds lie around it.</summary>
    static ForecastTime Downtime(SimulatedPrecopy plain, SimulatedPrecopy[] all, PrecopyScenario asked)
    {
        var converged = all.Where(one => one.Converged).ToArray();
        var state = TimeSpan.FromSeconds(asked.Sender.DeviceState / asked.Bandwidth);
        var least = (converged.Min(one => one.FinalRam) * LeastLeft) + TimeSpan.FromSeconds(asked.Sender.LeastOverhead);
        var most = (converged.Max(one => Slowest(one, asked)) * MostLeft) + TimeSpan.FromSeconds(asked.Sender.MostOverhead) + state;
        // Nobody is stopped for what would take longer than is allowed, as far as the link is known.
        var allowed = Longer(asked.MaxDowntime, plain.Downtime + TimeSpan.FromSeconds(asked.Sender.MostOverhead));
        if (most > allowed) most = allowed;
        if (least > most) least = plain.Downtime;
        return new ForecastTime(Shorter(Longer(plain.Downtime, least), most), least, most);
    }

    static TimeSpan Longer(TimeSpan one, TimeSpan other) => one > other ? one : other;

    static TimeSpan Shorter(TimeSpan one, TimeSpan other) => one < other ? one : other;

    static TimeSpan Slowest(SimulatedPrecopy run, PrecopyScenario asked)
    {
        var busy = TimeSpan.FromSeconds(run.FinalPages / asked.Sender.LeastFinalPages);
        return Longer(run.FinalRam, busy);
    }
}
