using System.Diagnostics;

namespace PsMigrate.Bench.Soak;

/// <summary>Waits for what must come.</summary>
static class Waiting
{
    static readonly TimeSpan Longest = TimeSpan.FromMinutes(2);

    /// <summary>Throws <see cref="BenchException"/> when it does not.</summary>
    public static void Until(Func<bool> isThere, string otherwise)
    {
        for (var clock = Stopwatch.StartNew(); !isThere(); Thread.Sleep(20))
            if (clock.Elapsed > Longest) throw new BenchException($"{otherwise} within {Longest.TotalMinutes} minutes.");
    }
}
