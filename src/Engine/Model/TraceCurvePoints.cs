namespace PsMigrate.Engine.Model;

/// <summary>The dirty curve within a pass, from the looks at its regions. Pure.</summary>
static class TraceCurvePoints
{
    const int MostPoints = 16;

    public static DirtyCurvePoint[] Of(TracePass pass)
    {
        double all = pass.DirtyPages * MigrationTrace.PageSize;
        var end = new DirtyCurvePoint(pass.Duration, all, all, all, 1);
        if (!pass.HasRegions) return [end];
        var looked = Enumerable.Range(0, pass.Found.Length).Where(pass.WasLookedAt).OrderBy(region => pass.LookedAt[region]).ToArray();
        if (looked.Length == 0) return [end];
        return [.. looked.Chunk((looked.Length + MostPoints - 1) / MostPoints).Select(some => Point(pass, some, all)).OfType<DirtyCurvePoint>(), end];
    }

    /// <summary>Of regions that were looked at at about the same time; null where they tell nothing.</summary>
    static DirtyCurvePoint? Point(TracePass pass, int[] regions, double all)
    {
        long then = regions.Sum(region => (long)pass.Looked[region]), whole = then + regions.Sum(region => (long)pass.Found[region]);
        var interval = TimeSpan.FromSeconds(regions.Average(region => pass.LookedAt[region]));
        if (whole == 0 || interval <= TimeSpan.Zero || interval >= pass.Duration) return null;
        double[] shares = [.. regions.Where(Tells).Select(region => (double)pass.Looked[region] / (pass.Looked[region] + pass.Found[region]))];
        return new DirtyCurvePoint(interval, all * then / whole, all * shares.Min(), all * shares.Max(), shares.Length);

        bool Tells(int region) => pass.Looked[region] + pass.Found[region] > 0;
    }
}
