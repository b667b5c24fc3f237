using System.Globalization;
using System.Numerics;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>What would make a migration end, or end sooner: each lever alone, tried in virtual time. Pure.</summary>
sealed class ForecastLevers(ForecastRequest request, PrecopyScenario asked, SimulatedPrecopy plain)
{
    // What a user can be expected to have: a link so many times as fast, a guest that stands for so long.
    const double MostTimes = 16;
    static readonly TimeSpan LongestDowntime = TimeSpan.FromSeconds(10);

    // QEMU's cpu-throttle-initial and -increment, and its most.
    static readonly int[] Throttles = [20, 30, 40, 50, 60, 70, 80, 90, 99];

    // Less is not worth the trouble.
    const double Worthwhile = 0.9;

    const int Halvings = 10;

    /// <summary>Those that help.</summary>
    public IEnumerable<ForecastLever> Find() =>
        new[] { MaxBandwidth(), Bandwidth(), MaxDowntime(), Xbzrle(), Compression(), Throttle(), Postcopy() }.OfType<ForecastLever>();

    ForecastLever? MaxBandwidth()
    {
        if (asked.MaxBandwidth == 0 || asked.MaxBandwidth >= asked.Bandwidth) return null;
        var free = asked with { MaxBandwidth = 0 };
        if (!Helps(PrecopySimulation.Run(free), out var end)) return null;
        if (plain.Converged) return Lever(ForecastLeverKind.MaxBandwidth, 0, "without -MaxBandwidth", end);
        var least = Least(asked.MaxBandwidth, asked.Bandwidth, value => asked with { MaxBandwidth = (long)value }, out end);
        return least is null
            ? Lever(ForecastLeverKind.MaxBandwidth, 0, "without -MaxBandwidth", PrecopySimulation.Run(free))
            : Lever(ForecastLeverKind.MaxBandwidth, least.Value, $"-MaxBandwidth {Mebibytes(least.Value)}", end!);
    }

    ForecastLever? Bandwidth()
    {
        if (plain.Converged || PrecopySimulation.Run(asked with { MaxBandwidth = 0 }).Converged) return null;
        var least = Least(asked.Bandwidth, asked.Bandwidth * MostTimes, value => asked with { Bandwidth = value, MaxBandwidth = 0 }, out var end);
        return least is null ? null : Lever(ForecastLeverKind.Bandwidth, least.Value, $"a link that carries {Mebibytes(least.Value)}/s", end!);
    }

    ForecastLever? MaxDowntime()
    {
        if (plain.Converged || asked.MaxDowntime >= LongestDowntime) return null;
        var least = Least(asked.MaxDowntime.TotalMilliseconds, LongestDowntime.TotalMilliseconds, With, out var end);
        return least is null ? null : Lever(ForecastLeverKind.MaxDowntime, Tens(least.Value), $"-MaxDowntime {Tens(least.Value)}ms", end!);

        PrecopyScenario With(double milliseconds) => asked with { MaxDowntime = TimeSpan.FromMilliseconds(Tens(milliseconds)) };
    }

    /// <summary>With a cache that has room for what is written.</summary>
    ForecastLever? Xbzrle()
    {
        if (asked.Differences != DifferencesUse.Never || request.Curve.DeltaShare is not { } share || request.Parameters.Channels > 0) return null;
        var cache = BitOperations.RoundUpToPowerOf2((ulong)request.Curve.Points.Max(point => point.Bytes));
        var setting = cache <= MigrationParameters.DefaultXbzrleCacheSize ? "-Xbzrle" : $"-Xbzrle -XbzrleCacheSize {Mebibytes(cache)}";
        var with = asked with
        {
            Differences = DifferencesUse.Asked, CacheSize = request.IsDriven ? 0 : Math.Max((long)cache, MigrationParameters.DefaultXbzrleCacheSize),
            Shares = asked.Shares with { Again = Math.Clamp(share, 0, 1) },
        };
        return Helps(PrecopySimulation.Run(with), out var end) ? Lever(ForecastLeverKind.Xbzrle, 0, setting, end) : null;
    }

    ForecastLever? Compression()
    {
        if (request.Curve.CompressedShare is null || request.Parameters is not { Channels: 0, Xbzrle: false }) return null;
        return Helps(PrecopySimulation.Run(ForecastScenario.Compressed(asked)), out var end)
            ? Lever(ForecastLeverKind.Compression, 0, "-Channels 2 -Compression Zstd", end) : null;
    }

    ForecastLever? Throttle()
    {
        if (plain.Converged) return null;
        foreach (var percent in Throttles)
            if (PrecopySimulation.Run(asked with { Throttle = percent / 100.0 }) is { Converged: true } end)
                return Lever(ForecastLeverKind.Throttle, percent, string.Create(CultureInfo.InvariantCulture, $"a guest slowed by {percent} %"), end);
        return null;
    }

    /// <summary>The first pass, and what it leaves: each of those pages goes once more, and the guest waits for none.</summary>
    ForecastLever? Postcopy()
    {
        if (plain.Converged || !request.AllowsPostcopy || plain.Passes is not [var first, ..]) return null;
        var carried = asked.MaxBandwidth > 0 ? Math.Min(asked.MaxBandwidth, asked.Bandwidth) : asked.Bandwidth;
        var rest = first.Remaining * asked.Shares.Fresh;
        var sender = asked.Sender;
        var downtime = TimeSpan.FromSeconds(sender.Overhead + (sender.DeviceState / asked.Bandwidth));
        var total = TimeSpan.FromSeconds(sender.Setup + (rest / carried)) + first.Duration + downtime;
        return new ForecastLever(ForecastLeverKind.Postcopy, 0, "-Mode Hybrid", total, downtime, (long)(first.Bytes + rest + sender.DeviceState));
    }

    bool Helps(SimulatedPrecopy changed, out SimulatedPrecopy end)
    {
        end = changed;
        return changed.Converged && (!plain.Converged || changed.TotalTime < plain.TotalTime * Worthwhile);
    }

    /// <summary>The least value between the two with which it ends, to within a few per cent; null when it does not with the most.</summary>
    static double? Least(double least, double most, Func<double, PrecopyScenario> with, out SimulatedPrecopy? end)
    {
        end = PrecopySimulation.Run(with(most));
        if (!end.Converged) return null;
        for (var step = 0; step < Halvings; step++)
        {
            var middle = Math.Sqrt(least * most);
            if (PrecopySimulation.Run(with(middle)) is { Converged: true } closer) (most, end) = (middle, closer);
            else least = middle;
        }
        return most;
    }

    static ForecastLever Lever(ForecastLeverKind kind, double value, string setting, SimulatedPrecopy end) =>
        new(kind, value, setting, end.TotalTime, end.Downtime, (long)end.Bytes);

    static double Tens(double milliseconds) => Math.Ceiling(milliseconds / 10) * 10;

    static string Mebibytes(double bytes) => string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(bytes / (1 << 20))}MB");
}
