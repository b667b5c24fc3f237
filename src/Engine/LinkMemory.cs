using System.Globalization;
using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine;

/// <summary>What is known of the link to a place: what the user says, what migrations of this process had, or the limit.</summary>
static class LinkMemory
{
    // What a user says, or a migration showed, is not the last word.
    const double Spread = 0.05;

    // The bytes of a probe are nobody's pages, which take time of both ends.
    const double LeastOfProbe = 0.6;

    // Less goes into buffers, and says nothing of the link.
    const long LeastBytes = 16 << 20;

    /// <summary>Null when nobody knows anything.</summary>
    public static KnownBandwidth? Find(MigrationUri destination, MigrationParameters parameters, double? given, double? probed)
    {
        if (probed is { } carried)
            return new KnownBandwidth(carried, carried * LeastOfProbe, carried * (1 + Spread), BandwidthOrigin.Probed, "as a probe had it; pages may go more slowly than its bytes");
        if (given is { } value) return Known(value, value, BandwidthOrigin.Given, "as given");
        if (Remember(destination) is { } remembered) return remembered;
        return parameters.MaxBandwidth > 0
            ? Known(parameters.MaxBandwidth, parameters.MaxBandwidth, BandwidthOrigin.Limit, "the limit that is asked for, since nothing else is known")
            : null;
    }

    /// <summary>Of the last migration to the same place that sent enough.</summary>
    static KnownBandwidth? Remember(MigrationUri destination)
    {
        foreach (var migration in MigrationRegistry.All.Reverse())
        {
            if (!IsSamePlace(migration.Destination, destination) || migration.Result is not { TransferredBytes: >= LeastBytes }) continue;
            var state = migration.GetState();
            // A window that ends a migration holds little; what the link carries shows in the others.
            var windows = state.Iterations.Where(pass => pass.Bandwidth > 0).Select(pass => pass.Bandwidth).ToArray();
            if (windows.Length == 0) continue;
            var cap = state.Parameters.MaxBandwidth;
            var text = BottleneckRule.IsCapped(windows.Max(), cap)
                ? "which migration {0} to there reached under its limit, so that it may be more"
                : "as migration {0} to there had it";
            return Known(windows.Max(), windows.Min(), BandwidthOrigin.Remembered, string.Format(CultureInfo.InvariantCulture, text, migration.Id));
        }
        return null;
    }

    static KnownBandwidth Known(double most, double least, BandwidthOrigin origin, string text) =>
        new(most, Math.Max(least, most / 2) * (1 - Spread), most * (1 + Spread), origin, text);

    /// <summary>Another port of a host is reached by the same way; so is another host of this process.</summary>
    static bool IsSamePlace(MigrationUri one, MigrationUri other) => one.Kind == other.Kind && one.Kind switch
    {
        MigrationUriKind.Tcp => one.Host.Equals(other.Host, StringComparison.OrdinalIgnoreCase),
        MigrationUriKind.Local or MigrationUriKind.Unix => true,
        MigrationUriKind.Unknown => false,
        _ => one == other,
    };
}
