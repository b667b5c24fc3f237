using System.Globalization;
using System.Runtime.InteropServices;

namespace PsMigrate.Bench.Report;

/// <summary>The machine, without its name.</summary>
static class Host
{
    public static string Today { get; } = DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    public static string Text { get; } = string.Create(CultureInfo.InvariantCulture,
        $"{Environment.ProcessorCount} cores {Processor()}, {GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 1e9:0} GB, kernel {Environment.OSVersion.Version}, {RuntimeInformation.FrameworkDescription}");

    /// <summary>A word of warning when others use the machine as well.</summary>
    public static string Load()
    {
        const string File = "/proc/loadavg";
        return System.IO.File.Exists(File) ? $"load {string.Join(' ', System.IO.File.ReadAllText(File).Split(' ')[..3])}" : "load unknown";
    }

    static string Processor()
    {
        const string File = "/proc/cpuinfo";
        var line = System.IO.File.Exists(File) ? System.IO.File.ReadLines(File).FirstOrDefault(text => text.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line?.Split(':', 2)[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
