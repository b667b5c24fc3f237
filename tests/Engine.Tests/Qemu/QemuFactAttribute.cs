namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>
/// The QEMUs to test against: paths separated as in PATH in PSMIGRATE_QEMU, or qemu-system-x86_64 on the search path. Where there
/// is none, tests that need one are skipped by name.
/// </summary>
static class QemuBinaries
{
    public static IReadOnlyList<string> All { get; } = Find();

    static List<string> Find()
    {
        var named = Environment.GetEnvironmentVariable("PSMIGRATE_QEMU");
        var candidates = string.IsNullOrWhiteSpace(named)
            ? (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(folder => Path.Combine(folder, "qemu-system-x86_64")).Take(100)
            : named.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        var found = candidates.Where(File.Exists);
        return string.IsNullOrWhiteSpace(named) ? [.. found.Take(1)] : [.. found];
    }
}

/// <summary>A test that runs once per QEMU binary; its first argument is the path.</summary>
[AttributeUsage(AttributeTargets.Method)]
sealed class QemuTheoryAttribute : TheoryAttribute
{
    public QemuTheoryAttribute()
    {
        if (QemuBinaries.All.Count == 0) Skip = "No qemu-system-x86_64: install it, or name one in PSMIGRATE_QEMU.";
    }
}

/// <summary>One row per binary; one row of no binary where there is none, so that the skipped test is still seen.</summary>
public static class QemuRows
{
    public static TheoryData<string> Binaries => [.. Names];

    /// <summary>Each binary with each machine that can boot.</summary>
    public static TheoryData<string, string> Machines
    {
        get
        {
            var rows = new TheoryData<string, string>();
            foreach (var binary in Names)
            {
                rows.Add(binary, "pc");
                rows.Add(binary, "q35");
            }
            return rows;
        }
    }

    static IEnumerable<string> Names => QemuBinaries.All.Count > 0 ? QemuBinaries.All : ["none"];
}
