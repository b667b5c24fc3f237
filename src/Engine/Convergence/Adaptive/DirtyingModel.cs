namespace PsMigrate.Engine.Convergence;

/// <summary>
/// How many distinct pages come of so many writes: as if they fell on pages of a working set by chance. Begins with one page a write, and
/// flattens at the set. Where some pages are written more often than others it says too much in between, never too little. Pure.
/// </summary>
/// <param name="Rates">What each vCPU writes when it is not held back, bytes/s.</param>
/// <param name="Set">The writable working set, bytes; infinite where no page was seen to be written twice.</param>
sealed record DirtyingModel(double[] Rates, double Set)
{
    // So much of all writes on distinct pages is all of them: figures are read one after another.
    const double AllDistinct = 0.97;

    public double Rate => Rates.Sum();

    /// <summary>From a pass: what was dirtied in it, and what each vCPU wrote; where that is not known, all writes count as distinct.</summary>
    public static DirtyingModel Of(in AdaptivePass pass)
    {
        if (pass.Seconds <= 0) return new DirtyingModel([0], double.PositiveInfinity);
        if (!pass.Rates.Any(rate => rate > 0)) return new DirtyingModel(pass.Freely(0), double.PositiveInfinity);
        return new DirtyingModel(pass.Freely(pass.Rates.Length), SetOf(pass.Rates.Sum() * pass.Seconds, pass.Dirtied));
    }

    /// <summary>The same guest, whose vCPUs write otherwise by now.</summary>
    public DirtyingModel With(double[] rates) => rates.Length == Rates.Length ? this with { Rates = rates } : this;

    /// <summary>Distinct bytes of so many bytes written.</summary>
    public double Distinct(double written) => double.IsInfinity(Set) || Set <= 0 ? written : Set * (1 - Math.Exp(-written / Set));

    /// <summary>How much may be written for so much to be distinct; infinite where that is the whole set.</summary>
    public double Written(double distinct) =>
        double.IsInfinity(Set) || Set <= 0 ? distinct
        : distinct >= Set ? double.PositiveInfinity
        : -Set * Math.Log(1 - (distinct / Set));

    static double SetOf(double written, double distinct)
    {
        if (distinct <= 0 || distinct >= written * AllDistinct) return double.PositiveInfinity;
        var (least, most) = (distinct, distinct);
        while (Seen(most, written) < distinct) most *= 2;
        for (var i = 0; i < 60; i++)
        {
            var middle = (least + most) / 2;
            if (Seen(middle, written) < distinct) least = middle;
            else most = middle;
        }
        return most;
    }

    static double Seen(double set, double written) => set * (1 - Math.Exp(-written / set));
}
