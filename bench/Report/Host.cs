using System.Globalization;
using System.Runtime.InteropServices;

namespace PsMigrate.Bench.Report;

/// <summary>The machine, without its name.</summary>
static class Host
{
    public static string Today { get; } = DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    public static string Text { get; } = string.Create(CultureInfo.InvariantCulture,
        $"{Environment.ProcessorCount} cores {Processor()}, {GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 1e9:0} GB, kernel {Environment.OSVersion.Version}, {RuntimeInformation.FrameworkDescription}");

    /// <summary>The load average over one minute: about 1 to 2 comes from the bench itself.</summary>
    public static string Load()
    {
        const string File = "/proc/loadavg";
        return System.IO.File.Exists(File) ? System.IO.File.ReadAllText(File).Split(' ')[0] : "unknown";
    }

    static string Processor()
    {
        const string File = "/proc/cpuinfo";
        var line = System.IO.File.Exists(File) ? System.IO.File.ReadLines(File).FirstOrDefault(text => text.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line?.Split(':', 2)[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
