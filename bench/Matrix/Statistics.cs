namespace PsMigrate.Bench.Matrix;

/// <summary>What is said of many values in one. Null of none.</summary>
static class Statistics
{
    public static double? Median(IEnumerable<double> values) => Percentile(values, 0.5);

    /// <summary>The least value that so large a share of them does not exceed; of the half the mean of both where there are two.</summary>
    public static double? Percentile(IEnumerable<double> values, double share)
    {
        var sorted = values.Order().ToArray();
        if (sorted.Length == 0) return null;
        var at = share * sorted.Length;
        var index = Math.Clamp((int)Math.Ceiling(at) - 1, 0, sorted.Length - 1);
        return at == index + 1 && share == 0.5 && index + 1 < sorted.Length ? (sorted[index] + sorted[index + 1]) / 2 : sorted[index];
    }

    public static double? Share<T>(IReadOnlyCollection<T> of, Predicate<T> isSo) => of.Count == 0 ? null : (double)of.Count(one => isSo(one)) / of.Count;

    public static double? GeometricMean(IReadOnlyCollection<double> values) => values.Count == 0 ? null : Math.Exp(values.Average(Math.Log));
}
