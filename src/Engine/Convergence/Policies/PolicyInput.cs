using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>What a policy is told of a migration at one moment. Bytes and bytes/s.</summary>
/// <param name="Elapsed">Since the start.</param>
/// <param name="Pass">Which pass, from 1: at the end of one, that one.</param>
/// <param name="IsPassEnd">Whether a pass has just ended, so that <paramref name="Pending"/> is exact.</param>
/// <param name="Pending">Left to send.</param>
/// <param name="DirtyRate">Distinct pages dirtied; null before the end of the first pass.</param>
/// <param name="Bandwidth">What the link carries; 0 before it was measured.</param>
/// <param name="Threshold">What may be left at the switch-over, by the limit of the policy.</param>
/// <param name="EstimatedDowntime">How long the guest would stand still now; null before the end of the first pass.</param>
/// <param name="Dirtied">Found dirty when the pass ended.</param>
/// <param name="Sent">Sent in all.</param>
/// <param name="Written">What each vCPU has written in all; a page written twice counts twice.</param>
readonly record struct PolicyInput(
    TimeSpan Elapsed, int Pass, bool IsPassEnd, long Pending, double? DirtyRate, double Bandwidth, long Threshold, TimeSpan? EstimatedDowntime,
    long Dirtied, long Sent, long[] Written)
{
    /// <summary>How much the guest is slowed down, percent, where not the policy does it; null where it does.</summary>
    public int? GuestThrottle { get; init; }

    /// <summary>Whether means were begun by which less has to be sent, and have not shown yet what they bring.</summary>
    public bool AwaitsMeans { get; init; }

    /// <summary>
    /// How fast pages went in the pass that has just ended, bytes/s, where most of them went as a few bytes; or, of pages that were kept, how fast they are
    /// likely to go. 0 where the bandwidth says it.
    /// </summary>
    public double PageSpeed { get; init; }

    /// <summary>Of what is left, what goes at the bandwidth all the same: it has never gone.</summary>
    public long NeverSent { get; init; }

    /// <summary>Whether that is likely because of differences that the user asked for, and of which none has shown yet what it brings.</summary>
    public bool IsTrial { get; init; }

    /// <summary>Whether the guest stands anyway: for how long it is stopped is nothing to it.</summary>
    public bool GuestStands { get; init; }
}

/// <summary>What the user allows, as it stands now: no decision goes beyond it.</summary>
/// <param name="MaxDowntime">How long the guest may stand still.</param>
/// <param name="MaxThrottle">How much its vCPUs may be slowed down, percent, 0 to 99.</param>
/// <param name="MaxBandwidth">What may be sent, bytes/s; 0 is no limit.</param>
/// <param name="MayGoOver">Whether it may go over to postcopy.</param>
/// <param name="AutoConverge">The parameters of QEMU's auto-converge.</param>
/// <param name="VcpuDirtyLimit">What each vCPU may write by QEMU's dirty-limit, bytes/s.</param>
readonly record struct PolicyBounds(
    TimeSpan MaxDowntime, int MaxThrottle, long MaxBandwidth, bool MayGoOver, AutoConvergeSettings AutoConverge, long VcpuDirtyLimit)
{
    /// <summary>How much Adaptive may slow the vCPUs down, percent: not at all where the user did not say that they may be.</summary>
    public int AdaptiveThrottle { get; init; }

    /// <summary>Whether Adaptive may go over: the user permits it, and has not said when.</summary>
    public bool AdaptivePostcopy { get; init; }

    /// <summary>Since the start, when the migration fails, or the guest is stopped however long it then stands; null is never.</summary>
    public TimeSpan? Deadline { get; init; }

    /// <summary>When the time allowed is over, since the start, whatever is done then; null is never.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>
    /// Whether Adaptive may go on for a little when what is left fits. Not where somebody counts the passes to postcopy, nor where another one switches over by himself.
    /// </summary>
    public bool HoldsBack { get; init; }

    /// <summary>Whether what is decided is only told.</summary>
    public bool IsObserved { get; init; }

    public static PolicyBounds Of(MigrationParameters parameters) => new(
        parameters.MaxDowntime, parameters.MaxThrottle ?? 99, parameters.MaxBandwidth, parameters.Postcopy, AutoConvergeSettings.Of(parameters),
        parameters.VcpuDirtyLimit)
    {
        AdaptiveThrottle = parameters.MaxThrottle ?? (parameters.AutoConverge ? 99 : 0),
        AdaptivePostcopy = parameters is { Postcopy: true, Mode: MigrationMode.Precopy, OnTimeout: not TimeoutAction.Postcopy, HasSaidWhenToGoOver: false },
        IsObserved = parameters.ObserveOnly,
        Timeout = parameters.Timeout,
        HoldsBack = parameters.Mode == MigrationMode.Precopy,
        Deadline = parameters.OnTimeout == TimeoutAction.Postcopy ? null : parameters.Timeout,
    };
}

/// <summary>What can't be put off: it is done at once, and once.</summary>
enum PolicyOrder
{
    /// <summary>Nothing of the kind: a limit or a throttle was changed.</summary>
    None,

    /// <summary>Switch over now, if what is left fits MaxDowntime.</summary>
    SwitchOver,

    /// <summary>Go over to postcopy.</summary>
    SwitchToPostcopy,

    /// <summary>Cancel.</summary>
    Cancel,
}

/// <summary>What a policy decided: for the trail, and an order where it is one.</summary>
readonly record struct PolicyDecision(PolicyOrder Order, string What, string From, string To, string Reason);
