namespace PsMigrate.Engine.Convergence;

/// <summary>How long a migration would go on if nothing helped it, by what its last passes left. Pure.</summary>
static class AdaptiveTrend
{
    // Less than this of what fits is a matter of the moment at which the log is read.
    const double Negligible = 0.05;
    const int MostPasses = 200;

    // One pass is too short a row for more.
    const double StrongestBend = 0.5;

    /// <summary>
    /// Seconds; infinite where passes do not get shorter. What has to be sent beyond what fits shrinks from pass to pass by a factor, and
    /// that factor itself by another one where it was seen to: pages that are still to go can't be dirtied once more, so that shorter passes leave less and less.
    /// </summary>
    /// <param name="pass">The last pass.</param>
    /// <param name="left">What the two passes before it left, the later one first.</param>
    public static double Seconds(in AdaptivePass pass, (long? Last, long? Before) left)
    {
        if (pass.Excess <= 0) return 0;
        if (pass.Bandwidth <= 0 || left.Last is not { } one) return double.PositiveInfinity;
        var last = Excess(one, pass);
        var shrink = pass.Excess / last;
        var bend = shrink < 1 && left.Before is { } two ? Math.Clamp(shrink * Excess(two, pass) / last, StrongestBend, 1) : 1;
        return Seconds(pass.Excess / pass.Bandwidth, shrink, bend, Negligible * pass.Fits / pass.Bandwidth);
    }

    static double Seconds(double next, double shrink, double bend, double least)
    {
        var seconds = 0.0;
        for (var i = 0; i < MostPasses && next > least; i++)
        {
            seconds += next;
            next *= shrink;
            shrink *= bend;
        }
        return next > least ? double.PositiveInfinity : seconds;
    }

    // By what fits now: that goes up and down with the link.
    static double Excess(long left, in AdaptivePass pass) => Math.Max(1, Math.Max(left - pass.Fits, Negligible * pass.Fits));
}
