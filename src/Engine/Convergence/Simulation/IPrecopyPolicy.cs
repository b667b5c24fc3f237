using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>How a simulated precopy stands. Seconds, bytes and bytes/s.</summary>
/// <param name="Now">Since the start.</param>
/// <param name="Pass">Which pass, from 1: at the end of one, that one.</param>
/// <param name="Pending">Bytes of pages left.</param>
/// <param name="DirtyRate">Of the last pass that ended; null before that.</param>
/// <param name="Bandwidth">What the link carries.</param>
/// <param name="Threshold">What may be left at the switch-over.</param>
/// <param name="Dirtied">Found dirty when the last pass ended.</param>
/// <param name="Sent">Sent in all.</param>
/// <param name="AwaitsMeans">Whether differences were begun, and have not shown yet what they bring.</param>
/// <param name="PageSpeed">How fast pages are likely to go that were kept in the first pass, before that has shown; else 0.</param>
/// <param name="NeverSent">Bytes of pages left that never went, then.</param>
/// <param name="IsTrial">Whether that is by differences that were asked for.</param>
readonly record struct PrecopyMoment(
    double Now, int Pass, double Pending, double? DirtyRate, double Bandwidth, double Threshold, double Dirtied, double Sent, bool AwaitsMeans, double PageSpeed, double NeverSent, bool IsTrial)
{
    /// <summary>What the engine of policies is told of it.</summary>
    /// <param name="isPassEnd">Whether a pass has just ended.</param>
    /// <param name="switchoverBandwidth">What the user says that the link carries, bytes/s; 0 for nothing.</param>
    /// <param name="written">What each vCPU has written in all, bytes of pages.</param>
    public PolicyInput ToInput(bool isPassEnd, long switchoverBandwidth, long[] written) => new(
        PrecopySimulation.Time(Now), Pass, isPassEnd, Whole(Pending), DirtyRate, Bandwidth, Whole(Threshold),
        DirtyRate is null ? null : SwitchoverRule.EstimatedDowntime(Whole(Pending), Bandwidth, switchoverBandwidth), Whole(Dirtied), Whole(Sent), written)
    {
        AwaitsMeans = AwaitsMeans, PageSpeed = PageSpeed, NeverSent = Whole(NeverSent), IsTrial = IsTrial,
    };

    static long Whole(double value) => (long)Math.Min(value, TraceFields.Most);
}

/// <summary>What can't be put off in a simulated precopy.</summary>
enum PrecopyOrder
{
    /// <summary>It goes on.</summary>
    None,

    /// <summary>The guest is stopped, whatever is left.</summary>
    SwitchOver,

    /// <summary>The guest goes over before its memory.</summary>
    GoOver,

    /// <summary>The guest stays.</summary>
    Cancel,

    /// <summary>Nothing will change any more: there is nothing left to be learnt.</summary>
    GiveUp,

    /// <summary>It goes on for longer than is worth it.</summary>
    BreakOff,
}

/// <summary>What counts in a simulated precopy, and who decides.</summary>
interface IPrecopyPolicy
{
    /// <summary>How long the guest may stand.</summary>
    TimeSpan MaxDowntime { get; }

    /// <summary>What may be sent, bytes/s; 0 is no limit.</summary>
    long MaxBandwidth { get; }

    /// <summary>What is to be done at once.</summary>
    PrecopyOrder Order { get; }

    /// <summary>The first pass is about to begin.</summary>
    void Begin(double now);

    /// <summary>A pass has ended, and what is left is exact.</summary>
    void AfterPass(in PrecopyMoment moment);

    /// <summary>A window has ended.</summary>
    void InWindow(in PrecopyMoment moment);
}
