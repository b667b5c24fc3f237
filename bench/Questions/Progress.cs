using System.Globalization;
using PsMigrate.Bench.Report;

namespace PsMigrate.Bench.Questions;

/// <summary>One line a round on the console.</summary>
static class Progress
{
    public static void Show(int round, int rounds, params (string What, double Value)[] figures) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"  {round}/{rounds}  {string.Join("  ", figures.Select(figure => string.Create(CultureInfo.InvariantCulture, $"{figure.What} {figure.Value:0.000}")))}  (load {Host.Load()})"));
}
