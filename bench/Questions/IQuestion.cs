using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Questions;

/// <summary>One question that a measurement answers.</summary>
interface IQuestion
{
    /// <summary>Its name on the command line.</summary>
    string Name { get; }

    /// <summary>One line of help.</summary>
    string Text { get; }

    /// <summary>Whether it measures lines of the target table; `targets` asks all that do.</summary>
    bool IsTarget => false;

    /// <summary>Measures, with every side so many times in turn. Throws <see cref="BenchException"/>.</summary>
    IEnumerable<Row> Ask(int runs);
}
