namespace PsMigrate.Engine.Convergence;

/// <summary>A pass that has ended, as <see cref="AdaptiveRule"/> looks at it. Bytes, bytes/s, seconds.</summary>
/// <param name="Number">Which pass, from 1.</param>
/// <param name="Elapsed">Since the start of the migration.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="Pending">What it left.</param>
/// <param name="Fits">What may be left at the switch-over, by the user's limit.</param>
/// <param name="Bandwidth">What the link carries.</param>
/// <param name="Dirtied">Distinct pages dirtied in it.</param>
/// <param name="Rates">What each vCPU wrote in it, however often the same page; empty where that is not known.</param>
/// <param name="Throttles">How much each vCPU was held back in it, by whomever, percent on average.</param>
/// <param name="AwaitsMeans">Whether means were begun that have not shown yet what they bring: they cost the guest nothing.</param>
readonly record struct AdaptivePass(
    int Number, double Elapsed, double Seconds, long Pending, long Fits, double Bandwidth, long Dirtied, double[] Rates, double[] Throttles, bool AwaitsMeans)
{
    // Averages of times are not exact.
    const double Tolerance = 0.5;

    /// <summary>What has to go before what is left fits, if the guest wrote nothing meanwhile.</summary>
    public double Excess => Math.Max(0, Pending - Fits);

    /// <summary>Of the vCPU that was held back most, percent.</summary>
    public double MostHeld => Throttles.Length == 0 ? 0 : Throttles.Max();

    /// <summary>What each vCPU would have written if nothing had held it back; of a count that is not that of the vCPUs, what was dirtied as that of one.</summary>
    public double[] Freely(int count) => count > 0 && Rates.Length == count && Throttles.Length == count
        ? [.. Rates.Zip(Throttles, (rate, throttle) => rate * 100 / (100 - throttle))]
        : [Dirtied / Seconds * 100 / (100 - MostHeld)];

    /// <summary>Whether the brake was in force as it was planned: a script or a limit of the user's can have taken its place.</summary>
    public bool Had(AdaptiveBrake brake) => brake.Throttles.Length == Throttles.Length
        ? brake.Throttles.Zip(Throttles).All(one => Math.Abs(one.First - one.Second) < Tolerance)
        : Throttles.All(one => Math.Abs(one - brake.Most) < Tolerance);
}

/// <summary>What the user permits <see cref="AdaptiveRule"/>, and what the guest can do.</summary>
/// <param name="MaxDowntime">How long the guest may stand still, seconds.</param>
/// <param name="MaxThrottle">How much its vCPUs may be slowed down, percent; 0 where the user did not say that they may be.</param>
/// <param name="MayGoOver">Whether it may go over to postcopy.</param>
/// <param name="Deadline">By when it has to have switched over, seconds since the start; infinite for never.</param>
readonly record struct AdaptiveBounds(double MaxDowntime, int MaxThrottle, bool MayGoOver, double Deadline)
{
    /// <summary>QEMU's CPU_THROTTLE_TIMESLICE, seconds.</summary>
    public const double QemuSlice = 0.01;

    /// <summary>The shortest time for which a vCPU that is held back can be let run between two sleeps, seconds.</summary>
    public const double ShortestSlice = 0.001;

    public static AdaptiveBounds Of(in PolicyBounds bounds) => new(
        bounds.MaxDowntime.TotalSeconds, Math.Min(bounds.AdaptiveThrottle, bounds.MaxThrottle), bounds.AdaptivePostcopy,
        bounds.Deadline?.TotalSeconds ?? double.PositiveInfinity);
}

/// <summary>How the guest is slowed down for a pass or two.</summary>
/// <param name="Throttles">Each vCPU, percent.</param>
/// <param name="Slice">How long a vCPU runs between two sleeps, seconds.</param>
/// <param name="Aim">Which share of what fits the pass is to leave unsent: the guest may write the rest meanwhile.</param>
/// <param name="Seconds">How long the pass takes.</param>
/// <param name="Dirtied">What the guest dirties in it, bytes.</param>
/// <param name="Loss">What it costs the guest until the end, seconds of the vCPU that is slowed down most; infinite where it is not enough.</param>
sealed record AdaptiveBrake(int[] Throttles, double Slice, double Aim, double Seconds, double Dirtied, double Loss)
{
    /// <summary>Whether it brings the migration to its end.</summary>
    public bool IsEnough => double.IsFinite(Loss);

    /// <summary>Of the vCPU that is slowed down most, percent.</summary>
    public int Most => Throttles.Max();
}

/// <summary>What <see cref="AdaptiveRule"/> remembers from one pass to the next. Immutable.</summary>
sealed record AdaptiveState
{
    public static AdaptiveState Begin { get; } = new();

    /// <summary>What the last two passes without a brake left, the last one first.</summary>
    public (long? Last, long? Before) Left { get; init; }

    /// <summary>Passes in a row by whose trend it would not come to its end by itself, or only late.</summary>
    public int Slow { get; init; }

    /// <summary>How the guest dirties memory, from the last pass without a brake.</summary>
    public DirtyingModel? Dirtying { get; init; }

    /// <summary>Null while the guest runs freely.</summary>
    public AdaptiveBrake? Brake { get; init; }

    /// <summary>By how much more the guest dirties than was computed, as seen so far, and a margin.</summary>
    public double Margin { get; init; } = FirstMargin;

    /// <summary>The least that a pass of this brake left beyond what fits.</summary>
    public double Least { get; init; }

    /// <summary>Passes of this brake in a row that left no less.</summary>
    public int Vain { get; init; }

    /// <summary>Whether vCPUs sleep as long as QEMU lets them, also longer than MaxDowntime at a time.</summary>
    public bool IsCoarse { get; init; }

    /// <summary>How often a brake was let go because it brought nothing.</summary>
    public int Failures { get; init; }

    /// <summary>Until after this pass none is tried again.</summary>
    public int RestsUntil { get; init; }

    /// <summary>It was decided to go over; that is told once.</summary>
    public bool HasGoneOver { get; init; }

    public const double FirstMargin = 1.5;
}

/// <summary>What is to be done.</summary>
enum AdaptiveAct
{
    /// <summary>Nothing.</summary>
    GoOn,

    /// <summary>The guest is slowed down, as <see cref="AdaptiveState.Brake"/> says.</summary>
    Brake,

    /// <summary>It is let go.</summary>
    Release,

    /// <summary>What is left fits: switch over.</summary>
    SwitchOver,

    /// <summary>The guest goes over before its memory.</summary>
    GoOver,
}

/// <summary>What is to be done, and why.</summary>
readonly record struct AdaptiveChoice(AdaptiveAct Act, string Reason)
{
    public static AdaptiveChoice GoOn { get; } = new(AdaptiveAct.GoOn, "");
}
