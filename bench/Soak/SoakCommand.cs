using System.Globalization;

namespace PsMigrate.Bench.Soak;

/// <summary><c>bench soak [--minutes 10] [--guests 20] [--seed 1]</c>.</summary>
static class SoakCommand
{
    public const string Name = "soak";

    public const string Text = "soak [--minutes 10] [--guests 20] [--seed 1]: a fleet to and fro between two processes under faults";

    /// <summary>0 when all is as it must be. Throws <see cref="BenchException"/>.</summary>
    public static int Run(ReadOnlySpan<string> arguments)
    {
        var (minutes, guests, seed) = (10.0, 20, 1);
        for (; arguments.Length >= 2; arguments = arguments[2..])
        {
            if (!double.TryParse(arguments[1], CultureInfo.InvariantCulture, out var value) || value <= 0) throw new BenchException($"{arguments[0]} takes a positive number.");
            if (arguments[0] == "--minutes") minutes = value;
            else if (arguments[0] == "--guests") guests = (int)value;
            else if (arguments[0] == "--seed") seed = (int)value;
            else throw new BenchException(Text);
        }
        if (arguments.Length > 0 || guests < 5) throw new BenchException($"{Text}; 5 guests at least.");
        return new SoakRun(TimeSpan.FromMinutes(minutes), guests, seed).Run();
    }
}
