using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>
/// Which share of its limit a recorded migration reached, at each time of it: on a machine that is busy with other things the sender does not always
/// come to send. Beyond what was recorded, and where little was, the whole of it tells. Pure.
/// </summary>
sealed class ReachedLimit
{
    // Shorter ones begin and end within a window.
    const double ShortestSpan = 1;
    const double Least = 0.05;

    readonly List<(double End, double Share)> _spans = [];
    readonly double _mean;

    public ReachedLimit(MigrationTrace trace)
    {
        double allowed = 0, missed = 0, spanMissed = 0, spanTime = 0;
        foreach (var pass in trace.Passes.Where(pass => pass.MaxBandwidth > 0))
        {
            var (seconds, lost) = (pass.Duration.TotalSeconds, Lost(pass));
            (missed, allowed) = (missed + lost, allowed + seconds);
            (spanTime, spanMissed) = (spanTime + seconds, spanMissed + lost);
            if (spanTime < ShortestSpan) continue;
            _spans.Add(((pass.Start + pass.Duration).TotalSeconds, Share(spanMissed, spanTime)));
            (spanTime, spanMissed) = (0, 0);
        }
        _mean = Share(missed, allowed);
    }

    /// <summary>At so many seconds since the start.</summary>
    public double At(double now)
    {
        foreach (var (end, share) in _spans)
            if (now < end) return share;
        return _mean;
    }

    static double Share(double missed, double time) => time <= 0 ? 1 : Math.Clamp(1 - (missed / time), Least, 1);

    /// <summary>Seconds in which it neither sent nor had to wait for its limit.</summary>
    static double Lost(TracePass pass) =>
        Math.Max(0, pass.Duration.TotalSeconds - Math.Max((double)pass.Bytes / pass.MaxBandwidth, pass.Busy.TotalSeconds));
}
