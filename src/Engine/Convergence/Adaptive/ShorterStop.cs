namespace PsMigrate.Engine.Convergence;

/// <summary>What <see cref="ShorterStop"/> looks at when a pass has left what fits. Bytes, bytes/s, seconds.</summary>
/// <param name="Elapsed">Since the start of the migration.</param>
/// <param name="Pending">What is left.</param>
/// <param name="Bandwidth">What goes while the guest runs.</param>
/// <param name="Link">What goes while it stands: no limit holds then.</param>
/// <param name="IsCapped">Whether a limit holds the first of them, window by window.</param>
/// <param name="Dirtying">How the guest dirties memory.</param>
readonly record struct StopFigures(double Elapsed, double Pending, double Bandwidth, double Link, bool IsCapped, DirtyingModel Dirtying)
{
    // Of a limit: what it allows goes at once, and then nothing until its window is over.
    const double Window = 0.1;

    /// <summary>What the last pages go at while the guest stands: where a limit binds nobody knows what the link carries beyond it.</summary>
    public static double LinkOf(double bandwidth, bool isCapped) =>
        isCapped ? SenderModel.Ours.Scattered.Value : Math.Min(bandwidth, SenderModel.Ours.Scattered.Value);

    /// <summary>How long the guest stands when so much is left.</summary>
    public double Stop(double left) => SenderModel.Ours.Overhead + (left / Link);

    /// <summary>How much may be left for it to stand so long.</summary>
    public double Left(double stop) => Math.Max(0, stop - SenderModel.Ours.Overhead) * Link;

    /// <summary>Of what is left what goes no faster than this, whatever the bandwidth of the rest is: it has never gone.</summary>
    public double NeverSent { get; init; }

    /// <summary>How fast that goes.</summary>
    public double Carried { get; init; }

    /// <summary>How long so much takes while the guest runs.</summary>
    public double Seconds(double bytes)
    {
        var never = Carried > 0 ? Math.Min(NeverSent, bytes) : 0;
        return SecondsOf(bytes - never) + (never > 0 ? never / Carried : 0);
    }

    double SecondsOf(double bytes)
    {
        var windows = Math.Max(0, bytes) / (Bandwidth * Window);
        return Window * (IsCapped && windows > 1 ? Math.Ceiling(windows) : windows);
    }

    /// <summary>When all but so much has gone, and the log is read. Pages that are dirtied before they go count as those that are dirtied after: it is no more than this.</summary>
    public StopFigures Next(double unsent)
    {
        var seconds = Seconds(Pending - unsent);
        return this with { Elapsed = Elapsed + seconds, NeverSent = 0, Pending = Math.Min(Pending, unsent) + Dirtying.Distinct(Dirtying.Rate * seconds) };
    }
}

/// <summary>What a switch-over is held back for. Bytes and seconds.</summary>
/// <param name="Stop">How long the guest would stand now.</param>
/// <param name="Left">It is stopped when no more than this is left.</param>
/// <param name="Unsent">The log is read when no more than this has not gone.</param>
/// <param name="Expected">What the next look at the log may find left.</param>
/// <param name="End">When that is predicted to be, since the start of the migration.</param>
/// <param name="Until">When it is given up.</param>
readonly record struct StopPlan(double Stop, double Left, double Unsent, double Expected, double End, double Until);

/// <summary>
/// Whether a guest whose rest fits the downtime allowed is better stopped a little later: where that makes its stop half as long or less for a tenth of
/// the whole time at most, three of them where differences that were asked for have not been tried. It is predicted from what the guest wrote, and given up at the first sign that it does not come so. Pure.
/// </summary>
static class ShorterStop
{
    // Of the time that it would take: by how much later it may be planned to end, and by how much later it ends at worst.
    const double Planned = 0.1;
    const double Most = 0.125;

    // The same where the user asked for differences, and none has gone: that one should is what he asked for, and they began a pass earlier than in QEMU.
    const double Trial = 0.3;

    // Of the stop as it would be.
    const double Gain = 0.5;

    // A shorter one nobody feels; seconds.
    const double ShortEnough = 0.003;

    // Of what was expected: more is not what was predicted.
    const double Missed = 1.25;

    // Of the time allowed: who misses that has nothing of a short stop.
    const double OfTimeout = 0.9;

    const double AimStep = 1.25;
    const int MostPasses = 30;
    const double Progress = 0.98;

    // Of what may be left, what has not gone when the log is read: the less, the later, and the rest the guest may have written meanwhile.
    static readonly double[] UnsentShares = [0.75, 0.5, 0.25];

    /// <summary>What to hold it back for; null where it is to be stopped now.</summary>
    /// <param name="now">What is left fits.</param>
    /// <param name="timeout">When the migration has to have switched over, seconds since its start; infinite for never.</param>
    /// <param name="isTrial">Whether differences that were asked for have not been tried.</param>
    public static StopPlan? Begin(in StopFigures now, double timeout, bool isTrial = false)
    {
        if (!(now.Bandwidth > 0)) return null;
        var stop = now.Stop(now.Pending);
        if (stop <= ShortEnough) return null;
        // What it would take as it is.
        var total = now.Elapsed + stop;
        var until = Math.Min(total * (1 + (isTrial ? Trial : Most)), OfTimeout * timeout);
        for (var aim = Math.Min(ShortEnough, Gain * stop); ; aim = Math.Min(aim * AimStep, Gain * stop))
        {
            // What goes now need not go while the guest stands.
            var latest = Math.Min(until, (total * (1 + (isTrial ? Trial : Planned))) - aim);
            if (Plan(now, aim, stop, latest) is { } plan) return plan with { Until = until };
            if (aim >= Gain * stop) return null;
        }
    }

    /// <summary>A look at the log found more than may be left, and what is left still fits: how it goes on, or null where it is given up.</summary>
    public static StopPlan? GoOn(in StopPlan plan, in StopFigures now, bool isTrial = false) =>
        (isTrial || now.Pending <= Missed * plan.Expected) && Reach(now, plan.Left, plan.Unsent) is { } end && end <= plan.Until
            ? plan with { Expected = now.Next(plan.Unsent).Pending, End = end } : null;

    /// <summary>Between two looks: whether it can no longer end in time.</summary>
    public static bool IsLate(in StopPlan plan, in StopFigures now) => now.Elapsed + now.Seconds(now.Pending - plan.Unsent) > plan.Until;

    /// <summary>Between two looks: whether the guest writes so much more than it did that too much will be left.</summary>
    public static bool IsMissed(in StopPlan plan, double written, double rate, double seconds) => written > (Missed * rate * seconds) + (plan.Left / 2);

    static StopPlan? Plan(in StopFigures now, double aim, double stop, double latest)
    {
        var left = now.Left(aim);
        StopPlan? best = null;
        foreach (var share in UnsentShares)
            if (Reach(now, left, share * left) is { } end && end <= latest && !(end >= best?.End))
                best = new StopPlan(stop, left, share * left, now.Next(share * left).Pending, end, latest);
        return best;
    }

    /// <summary>When no more than so much is left; null where that is never.</summary>
    static double? Reach(StopFigures now, double left, double unsent)
    {
        for (var pass = 0; pass < MostPasses && now.Pending > left; pass++)
        {
            var next = now.Next(unsent);
            if (next.Pending > Progress * now.Pending) return null;
            now = next;
        }
        return now.Pending <= left ? now.Elapsed : null;
    }
}
