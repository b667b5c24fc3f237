namespace PsMigrate.Engine.Convergence;

/// <summary>
/// How strong a brake has to be, computed once from the figures. What it costs the guest is its strength by its time, and a pass takes the
/// time in which the link carries what has to go, however strong the brake is; only the number of passes depends on it. So one pass with a
/// strong brake costs the guest less than many with a mild one, and it is as strong as is needed for one pass. Pure.
/// </summary>
static class AdaptiveBraking
{
    // Of what fits: what a pass is to leave unsent. The more, the shorter it is, and the less the guest may write in it.
    const double LargestAim = 0.9;
    const double SmallestAim = 0.25;
    const double AimStep = 0.05;

    // Where one pass does not do: what is left unsent can't be dirtied once more, and the passes are shorter.
    const double WholeAim = 1;

    // A pass that leaves more of what it sent than this brings nothing.
    const double LeastProgress = 0.98;

    // Of MaxDowntime: how long a vCPU sleeps at a time. A sleep may take longer than it was asked to.
    const double LongestSleep = 0.5;

    /// <summary>For the pass that comes. A brake that is not enough is as strong as is allowed.</summary>
    public static AdaptiveBrake Plan(in AdaptivePass pass, DirtyingModel dirtying, double margin, bool isCoarse, in AdaptiveBounds bounds)
    {
        if (isCoarse) return AtMost(pass, dirtying, bounds.MaxThrottle, WholeAim, isCoarse, bounds);
        var most = Most(bounds);
        for (var aim = LargestAim; aim >= SmallestAim; aim -= AimStep)
        {
            var seconds = Seconds(pass, aim);
            var allowed = dirtying.Written((1 - aim) * pass.Fits / margin);
            if (allowed < dirtying.Rate * seconds * (100 - most) / 100) continue;
            return Brake(pass, dirtying, Share(dirtying.Rates, allowed / seconds, most), aim, isCoarse, bounds);
        }
        return AtMost(pass, dirtying, most, WholeAim, isCoarse, bounds);
    }

    /// <summary>The most by which a vCPU can be slowed down without sleeping longer at a time than the guest may stand still, percent.</summary>
    public static int Most(in AdaptiveBounds bounds)
    {
        var sleep = Math.Max(bounds.MaxDowntime, AdaptiveBounds.ShortestSlice);
        return Math.Min(bounds.MaxThrottle, (int)(100 * sleep / (sleep + AdaptiveBounds.ShortestSlice)));
    }

    /// <summary>Whether longer sleeps would slow it down further, or otherwise.</summary>
    public static bool HasCoarse(in AdaptiveBounds bounds) => Most(bounds) < bounds.MaxThrottle || Slice(bounds.MaxThrottle, bounds) < AdaptiveBounds.QemuSlice;

    static AdaptiveBrake AtMost(in AdaptivePass pass, DirtyingModel dirtying, int most, double aim, bool isCoarse, in AdaptiveBounds bounds) =>
        Brake(pass, dirtying, [.. dirtying.Rates.Select(rate => rate > 0 ? most : 0)], aim, isCoarse, bounds);

    static AdaptiveBrake Brake(in AdaptivePass pass, DirtyingModel dirtying, int[] throttles, double aim, bool isCoarse, in AdaptiveBounds bounds)
    {
        var (seconds, most) = (Seconds(pass, aim), throttles.Max());
        var rate = dirtying.Rates.Zip(throttles, (one, throttle) => one * (100 - throttle) / 100).Sum();
        var dirtied = dirtying.Distinct(rate * seconds);
        // Each further pass is shorter than the one before by what it leaves of it.
        var left = dirtied <= (1 - aim) * pass.Fits ? 0 : dirtied / (seconds * pass.Bandwidth);
        var loss = left >= LeastProgress ? double.PositiveInfinity : seconds / (1 - left) * most / 100;
        return new AdaptiveBrake(throttles, isCoarse ? AdaptiveBounds.QemuSlice : Slice(most, bounds), aim, seconds, dirtied, loss);
    }

    static double Seconds(in AdaptivePass pass, double aim) => Math.Max(0, pass.Pending - (aim * pass.Fits)) / pass.Bandwidth;

    static double Slice(int throttle, in AdaptiveBounds bounds) => throttle <= 0 ? AdaptiveBounds.QemuSlice
        : Math.Clamp(LongestSleep * bounds.MaxDowntime * (100 - throttle) / throttle, AdaptiveBounds.ShortestSlice, AdaptiveBounds.QemuSlice);

    /// <summary>
    /// So much may be written a second: the vCPUs that write more than an equal share are held down to one level, and those below it run
    /// freely. None is held back by more than <paramref name="most"/> percent.
    /// </summary>
    static int[] Share(double[] rates, double allowed, int most)
    {
        if (rates.Sum() <= allowed) return new int[rates.Length];
        var (low, high) = (0.0, rates.Max());
        for (var i = 0; i < 60; i++)
        {
            var level = (low + high) / 2;
            if (rates.Sum(rate => Math.Min(rate, Math.Max(level, rate * (100 - most) / 100))) > allowed) high = level;
            else low = level;
        }
        return [.. rates.Select(rate => rate <= low ? 0 : Math.Clamp((int)Math.Ceiling(100 * (1 - (low / rate))), 0, most))];
    }
}
