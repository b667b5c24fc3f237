using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>What a link is taken to carry, bytes/s.</summary>
/// <param name="Value">Expected.</param>
/// <param name="Least">At worst.</param>
/// <param name="Most">At best.</param>
/// <param name="Origin">Who says so.</param>
/// <param name="Text">The same in words, after "as".</param>
readonly record struct KnownBandwidth(double Value, double Least, double Most, BandwidthOrigin Origin, string Text);

/// <summary>What <see cref="Forecaster"/> looks at.</summary>
sealed record ForecastRequest
{
    /// <summary>The guest.</summary>
    public required string Name { get; init; }

    /// <summary>The host it lives on.</summary>
    public required string HostName { get; init; }

    /// <summary>Where it would go.</summary>
    public required string Destination { get; init; }

    /// <summary>What it dirties.</summary>
    public required DirtyCurve Curve { get; init; }

    /// <summary>How long it was measured.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>What the link carries.</summary>
    public required KnownBandwidth Bandwidth { get; init; }

    /// <summary>What is asked for.</summary>
    public required MigrationParameters Parameters { get; init; }

    /// <summary>Who sends.</summary>
    public SenderModel Sender { get; init; } = SenderModel.Ours;

    /// <summary>Whether a QEMU sends, which has no policy where none is given.</summary>
    public bool IsDriven { get; init; }

    /// <summary>Whether the other end takes pages as a few bytes without being asked (a PsMigrate receiver).</summary>
    public bool IsAdaptive { get; init; }

    /// <summary>To what share of its size a page comes that is sent as the bytes that are not zero; 1 where none is.</summary>
    public double SparseShare { get; init; } = 1;

    /// <summary>Whether the destination can ask for pages.</summary>
    public bool AllowsPostcopy { get; init; } = true;
}
