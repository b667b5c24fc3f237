namespace PsMigrate.Bench.Matrix;

/// <summary>A part of the matrix.</summary>
interface IMatrixPart
{
    /// <summary>Its name on the command line.</summary>
    string Name { get; }

    /// <summary>One line of help.</summary>
    string Text { get; }

    /// <summary>Whether its forecasts can be made again from what was kept.</summary>
    bool IsRecast => false;

    /// <summary>Measures what is not known yet, and sums all of it up. Throws <see cref="BenchException"/>.</summary>
    IEnumerable<Figure> Run(MatrixOptions options);
}
