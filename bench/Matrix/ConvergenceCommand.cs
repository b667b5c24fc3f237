namespace PsMigrate.Bench.Matrix;

/// <summary><c>bench convergence [--part NAME]… [--only TEXT] [--again | --recast]</c>.</summary>
static class ConvergenceCommand
{
    public const string Name = "convergence";

    public const string Text = "convergence [--part forecast|simulation|qemu|policies]... [--only TEXT] [--again | --recast]: forecasts and policies against what came; "
        + "goes on where it was cut off (results/convergence-*.jsonl), --again measures anew, --recast makes the forecasts anew and measures nothing";

    static readonly IMatrixPart[] Parts = [new ForecastPart(), new SimulationPart(), new QemuPart(), new PolicyPart()];

    /// <summary>1 when a part failed; the others are still run. Throws <see cref="BenchException"/>.</summary>
    public static int Run(ReadOnlySpan<string> arguments)
    {
        var options = MatrixOptions.Parse(arguments);
        foreach (var name in options.Parts)
            if (!Parts.Any(part => part.Name == name)) throw new BenchException($"'{name}' is no part; there are {string.Join(", ", Parts.Select(part => part.Name))}.");
        var figures = new List<Figure>();
        var failed = false;
        foreach (var part in Parts.Where(part => (options.Parts.Count == 0 || options.Parts.Contains(part.Name)) && (part.IsRecast || !options.IsRecast)))
        {
            Console.WriteLine($"{part.Name}: {part.Text}");
            try
            {
                figures.AddRange(part.Run(options));
            }
            catch (BenchException e)
            {
                Console.WriteLine($"  {part.Name}: {e.Message}");
                failed |= !e.IsSkip;
            }
        }
        Console.WriteLine();
        Console.Write(FigureFile.Table(figures));
        // A selection says nothing of the whole, and what a forecast would have said was not promised.
        if (options is { Only: null, IsRecast: false }) FigureFile.Merge(figures);
        return failed ? 1 : 0;
    }
}
