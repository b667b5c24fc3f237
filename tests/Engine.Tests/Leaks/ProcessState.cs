using System.Globalization;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Leaks;

/// <summary>Tests that count what the process holds run alone, after all others.</summary>
[CollectionDefinition("Alone", DisableParallelization = true)]
public sealed class Alone;

/// <summary>A test that reads /proc.</summary>
public sealed class LinuxFactAttribute : FactAttribute
{
    public LinuxFactAttribute()
    {
        if (!OperatingSystem.IsLinux()) Skip = "Reads /proc, which only Linux has.";
    }
}

/// <inheritdoc cref="LinuxFactAttribute"/>
public sealed class LinuxTheoryAttribute : TheoryAttribute
{
    public LinuxTheoryAttribute()
    {
        if (!OperatingSystem.IsLinux()) Skip = "Reads /proc, which only Linux has.";
    }
}

/// <summary>What the process holds, as the kernel sees it: threads by name, sockets, address space.</summary>
static class ProcessState
{
    // The engine's names; the kernel keeps fifteen characters of them.
    static readonly string[] Names = ["migration", "incoming", "vcpu ", "qmp "];

    public static List<string> EngineThreads() =>
        [.. Directory.GetDirectories("/proc/self/task").Select(NameOf).Where(name => Names.Any(one => name.StartsWith(one, StringComparison.Ordinal)))];

    public static int Sockets() => Directory.GetFiles("/proc/self/fd").Count(path =>
    {
        try
        {
            return File.ResolveLinkTarget(path, false)?.Name.StartsWith("socket:", StringComparison.Ordinal) == true;
        }
        catch (IOException)
        {
            return false;
        }
    });

    /// <summary>
    /// Bytes of writable memory without a file, touched or not: guests' memory is among it, and buffers of links that nobody uses any more
    /// are not.
    /// </summary>
    public static long Mapped()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return File.ReadLines("/proc/self/maps").Sum(line =>
        {
            var parts = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            var range = parts[0].Split('-');
            return parts.Length == 5 && parts[1] == "rw-p" ? Hex(range[1]) - Hex(range[0]) : 0;
        });
    }

    /// <summary>The runtime's own memory comes and goes; that of a single guest of so many bytes would stand out.</summary>
    public static void AssertMapped(long before, long guest)
    {
        var grown = Mapped() - before;
        Assert.True(grown < guest / 2, $"{grown >> 20} MiB more are mapped than before.");
    }

    static long Hex(string text) => long.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    static string NameOf(string task)
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, "comm")).Trim();
        }
        catch (IOException)
        {
            return "";
        }
    }

    /// <summary>Threads end a moment after the work they did; none may stay.</summary>
    public static void AssertNoThreads() =>
        Patience.Until(() => EngineThreads().Count == 0, $"these threads to end: {string.Join(", ", EngineThreads())}");
}
