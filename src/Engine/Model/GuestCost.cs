using System.Globalization;

namespace PsMigrate.Engine.Model;

/// <summary>
/// What a migration cost its guest. Rates are bytes of pages that its vCPUs wrote per second, one that was written twice twice. Immutable, but for the
/// rate after it, which can only be known when the guest has run there for a while.
/// </summary>
public sealed record GuestCost
{
    /// <summary>What it wrote within the last half to whole second before the migration began; null where that is not known.</summary>
    public double? WriteRateBefore { get; init; }

    /// <summary>What it wrote while the migration ran and it did not stand; <see cref="MigrationIteration.WriteRate"/> has it for each pass.</summary>
    public double? WriteRateDuring { get; init; }

    /// <summary>What it wrote at the destination within the half second after the migration; null before that has passed, and where nobody tells.</summary>
    public double? WriteRateAfter => After?.Value;

    /// <summary>Why a rate is not known; empty where all are.</summary>
    public string Unknown => string.Join(" ", new[] { UnknownBefore, After is { Value: null } after ? after.Reason : UnknownAfter }.Where(text => text.Length > 0));

    /// <summary>By how much slower it was while the migration ran, 0 to 1; null where that is not known, or it wrote nothing before.</summary>
    public double? Slowdown => WriteRateBefore > 0 && WriteRateDuring is { } during ? Math.Max(0, 1 - (during / WriteRateBefore.Value)) : null;

    /// <summary>How long it stood.</summary>
    public TimeSpan Downtime { get; init; }

    /// <summary>How long its vCPUs were held back, all together.</summary>
    public TimeSpan ThrottledTime { get; init; }

    /// <summary>How long all vCPUs at once waited for memory after it went over; null without postcopy, or where nobody told.</summary>
    public TimeSpan? BlockedTime { get; init; }

    internal LateFigure? After { get; init; }

    internal string UnknownBefore { get; init; } = "";

    internal string UnknownAfter { get; init; } = "";

    /// <summary>One line.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"wrote {Rate(WriteRateBefore)} before, {Rate(WriteRateDuring)} during, {Rate(WriteRateAfter)} after; stood {Downtime.TotalMilliseconds:0.0} ms"
        + $"{(ThrottledTime > TimeSpan.Zero ? $", held back {ThrottledTime.TotalSeconds:0.0} s" : "")}"
        + $"{(BlockedTime is { } blocked ? $", waited for memory {blocked.TotalMilliseconds:0} ms" : "")}");

    static string Rate(double? bytesPerSecond) => bytesPerSecond is { } rate ? FormattableString.Invariant($"{rate / (1 << 20):0.#} MB/s") : "?";
}

/// <summary>A figure that is known only later. Set once, by one thread, and read by any.</summary>
sealed class LateFigure
{
    volatile Known? _known;

    /// <summary>Null before it is known, or where it can't be.</summary>
    public double? Value => _known?.Value;

    /// <summary>Why it is not known; empty where it is.</summary>
    public string Reason => _known is { } known ? known.Reason : "The guest has not run at the destination for long enough yet.";

    /// <summary>It is this, or can't be known.</summary>
    public void Set(double? value, string reason = "") => _known = new Known(value, reason);

    sealed record Known(double? Value, string Reason);
}
