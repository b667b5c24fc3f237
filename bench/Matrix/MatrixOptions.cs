namespace PsMigrate.Bench.Matrix;

/// <summary>What <c>bench convergence</c> was asked for.</summary>
/// <param name="Parts">Names of parts; empty is all.</param>
/// <param name="Only">Scenarios whose name has this; null is all.</param>
/// <param name="IsAnew">Whether what was measured before is measured again.</param>
/// <param name="IsRecast">Whether forecasts of what was measured before are made again, and nothing is measured.</param>
sealed record MatrixOptions(IReadOnlyList<string> Parts, string? Only, bool IsAnew, bool IsRecast)
{
    /// <summary>A migration that has not ended by then is taken for one that does not.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Of these the ones that were asked for.</summary>
    public IEnumerable<Scenario> Choose(IEnumerable<Scenario> scenarios) =>
        scenarios.Where(one => Only is null || one.ToString().Contains(Only, StringComparison.OrdinalIgnoreCase));

    /// <summary>Throws <see cref="BenchException"/>.</summary>
    public static MatrixOptions Parse(ReadOnlySpan<string> arguments)
    {
        var options = new MatrixOptions([], null, false, false);
        for (var i = 0; i < arguments.Length; i++)
            options = arguments[i] switch
            {
                "--part" when ++i < arguments.Length => options with { Parts = [.. options.Parts, arguments[i]] },
                "--only" when ++i < arguments.Length => options with { Only = arguments[i] },
                "--again" => options with { IsAnew = true },
                "--recast" => options with { IsRecast = true },
                _ => throw new BenchException(ConvergenceCommand.Text),
            };
        return options;
    }
}
