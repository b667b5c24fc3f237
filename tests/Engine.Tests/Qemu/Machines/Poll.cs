using System.Diagnostics;

namespace PsMigrate.Engine.Tests.Qemu.Machines;

/// <summary>Waiting with an end.</summary>
static class Poll
{
    public static void Until(Func<bool> condition, string what, int seconds = 120)
    {
        for (var clock = Stopwatch.StartNew(); !condition(); Thread.Sleep(10))
            if (clock.Elapsed.TotalSeconds > seconds) throw new TimeoutException($"Not within {seconds} s: {what}");
    }
}
