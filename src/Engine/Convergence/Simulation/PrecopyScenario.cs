using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>What a page takes on the wire, as a share of its size.</summary>
/// <param name="Zero">Of the memory in use what is zero, and goes as a few bytes.</param>
/// <param name="Fresh">A page that is not zero.</param>
/// <param name="Again">One that went before, as a difference.</param>
readonly record struct WireShares(double Zero, double Fresh, double Again)
{
    /// <summary>One that went before, and goes whole; null as one that is not zero.</summary>
    public double? Rewritten { get; init; }

    public static WireShares Whole { get; } = new(0, 1, 1);
}

/// <summary>A precopy to be gone through in virtual time. Bandwidths in bytes/s.</summary>
sealed record PrecopyScenario
{
    /// <summary>What the guest dirties.</summary>
    public required DirtyCurve Curve { get; init; }

    /// <summary>Which figures of it.</summary>
    public CurveBound Bound { get; init; }

    /// <summary>What the link carries.</summary>
    public required double Bandwidth { get; init; }

    /// <summary>What may be sent while the guest runs; 0 is no limit. What is sent while it stands is not limited, as in QEMU.</summary>
    public long MaxBandwidth { get; init; }

    /// <summary>What the threshold is made of instead of the measured bandwidth; 0 takes that.</summary>
    public long SwitchoverBandwidth { get; init; }

    /// <summary>How long the guest may stand.</summary>
    public required TimeSpan MaxDowntime { get; init; }

    /// <summary>Who sends.</summary>
    public SenderModel Sender { get; init; } = SenderModel.Ours;

    /// <summary>What pages take.</summary>
    public WireShares Shares { get; init; } = WireShares.Whole;

    /// <summary>When differences are sent.</summary>
    public DifferencesUse Differences { get; init; }

    /// <summary>How much is kept to make them of, bytes, where they were asked for; 0 where that is not known.</summary>
    public long CacheSize { get; init; }

    /// <summary>Whether what the link carries is counted in pages where they go as a few bytes.</summary>
    public bool CountsPages { get; init; }

    /// <summary>Which share of a limit is reached at a time, 0 to 1: a machine that is busy does not always come to send. Null is all of it.</summary>
    public Func<double, double>? Reached { get; init; }

    /// <summary>Whether the policy Adaptive holds the switch-over back where that makes the stop much shorter.</summary>
    public bool ShortensStop { get; init; }

    /// <summary>Whether the guest writes one page after the other.</summary>
    public bool Walks => Curve.Places?.Walk is not null;

    // Of what the link carries, a limit that leaves the destination time beside what comes.
    const double LeavesTime = 0.5;

    /// <summary>How fast those of the last pages go that never went before.</summary>
    public BurstSpeed New => MaxBandwidth > 0 && MaxBandwidth <= LeavesTime * Bandwidth ? Sender.New : Sender.Unmapped;

    /// <summary>By how much the guest is slowed, 0 to 0.99.</summary>
    public double Throttle { get; init; }
}

/// <summary>A pass of a simulated precopy.</summary>
/// <param name="Duration">How long.</param>
/// <param name="Bytes">What went over the link.</param>
/// <param name="Remaining">Bytes of pages that were dirty after it.</param>
/// <param name="Threshold">What might have been left.</param>
readonly record struct SimulatedPass(TimeSpan Duration, double Bytes, double Remaining, double Threshold);

/// <summary>How a simulated precopy ended.</summary>
enum PrecopyEnd
{
    /// <summary>The guest went with the last of its memory.</summary>
    SwitchedOver,

    /// <summary>The guest went, and its memory follows.</summary>
    WentOver,

    /// <summary>A policy, or the time, ended it; the guest stays.</summary>
    Cancelled,

    /// <summary>It would have gone on for ever.</summary>
    GivenUp,

    /// <summary>It was gone through for as long as is worth it: how it ends is not known.</summary>
    BrokenOff,
}

/// <summary>How a simulated precopy went.</summary>
sealed record SimulatedPrecopy
{
    /// <summary>How it ended.</summary>
    public required PrecopyEnd End { get; init; }

    /// <summary>Whether it switched over.</summary>
    public bool Converged => End == PrecopyEnd.SwitchedOver;

    /// <summary>Its passes; the rest that goes while the guest stands is none.</summary>
    public required IReadOnlyList<SimulatedPass> Passes { get; init; }

    /// <summary>From start to end; until it was given up where it did not converge.</summary>
    public required TimeSpan TotalTime { get; init; }

    /// <summary>How long the guest stood.</summary>
    public required TimeSpan Downtime { get; init; }

    /// <summary>Of that, the last pages, if both ends handle them as fast as the link carries them.</summary>
    public required TimeSpan FinalRam { get; init; }

    /// <summary>How much that is, bytes of pages that are not zero; what follows, where the guest went over before its memory.</summary>
    public required double FinalPages { get; init; }

    /// <summary>What their bytes take on the link alone, however fast both ends make and take them.</summary>
    public TimeSpan FinalLink { get; init; }

    /// <summary>Of these the ones that never went before.</summary>
    public double NewPages { get; init; }

    /// <summary>How long the destination had to load yet what had gone while the guest ran.</summary>
    public TimeSpan Backlog { get; init; }

    /// <summary>Over the link.</summary>
    public required double Bytes { get; init; }

    /// <summary>Of the last window, bytes/s.</summary>
    public required double Bandwidth { get; init; }

    /// <summary>The least that was left after a pass, bytes of pages.</summary>
    public required double LeastRemaining { get; init; }
}
