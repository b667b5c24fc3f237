namespace PsMigrate.Bench.Report;

/// <summary>What several runs of the same thing gave.</summary>
sealed record Series(double Min, double Median, double Max)
{
    public static Series Of(IReadOnlyCollection<double> values)
    {
        var sorted = values.Order().ToArray();
        var middle = sorted.Length / 2;
        var median = sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        return new Series(sorted[0], median, sorted[^1]);
    }
}
