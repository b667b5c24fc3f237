namespace PsMigrate.Engine.Convergence;

/// <summary>How a precopy goes on from where it is. Bytes are of pages, bandwidths bytes/s.</summary>
/// <param name="Pending">What is still to go in this pass.</param>
/// <param name="Left">How long that takes, seconds; null is by the bandwidth.</param>
/// <param name="InPass">How long this pass has taken, seconds.</param>
/// <param name="Bandwidth">What the passes to come have.</param>
/// <param name="Threshold">What may be left at the switch-over.</param>
readonly record struct PassesInput(double Pending, double? Left, double InPass, double Bandwidth, double Threshold)
{
    /// <summary>By how much the guest is slowed down beside what it is now, 0 to 1.</summary>
    public double Throttle { get; init; }

    /// <summary>After how many passes from here, this one counted, the guest goes over before its memory; null never.</summary>
    public int? GoesOverAfter { get; init; }
}

/// <summary>How it ends.</summary>
/// <param name="Seconds">Until it has.</param>
/// <param name="Bytes">What goes until then.</param>
/// <param name="Final">What of it goes while the guest stands.</param>
readonly record struct PassesEnd(double Seconds, double Bytes, double Final);

/// <summary>
/// The passes of a precopy that are still to come, one after the other: each takes as long as what the one before left, and leaves what the
/// <see cref="PassCurve"/> says. Some microseconds, so that it can be asked at any time. Pure.
/// </summary>
static class PassesToCome
{
    // A pass that leaves so much of what went in it is no progress, and after so many of them none will come.
    const double Progress = 0.98;
    const int MostVain = 3;
    const int MostPasses = 200;
    static readonly double Longest = TimeSpan.FromDays(30).TotalSeconds;

    /// <summary>Null where it would not end as it goes, or there is no bandwidth.</summary>
    public static PassesEnd? Run(PassCurve curve, PassesInput input)
    {
        if (!(input.Bandwidth > 0)) return null;
        var (pending, seconds, bytes, vain) = (input.Pending, 0.0, 0.0, 0);
        var took = input.Left ?? pending / input.Bandwidth;
        for (var pass = 1; pass <= MostPasses; pass++)
        {
            seconds += took;
            bytes += pending;
            if (!(seconds < Longest)) return null;
            var whole = pass == 1 ? took + input.InPass : took;
            var left = curve.Left(whole * (1 - input.Throttle));
            if (left <= input.Threshold || pass >= input.GoesOverAfter)
                return new PassesEnd(seconds + (left / input.Bandwidth), bytes + left, left <= input.Threshold ? left : 0);
            if (pass > 1) vain = left >= pending * Progress ? vain + 1 : 0;
            if (vain == MostVain) return null;
            (pending, took) = (left, left / input.Bandwidth);
        }
        return null;
    }
}
