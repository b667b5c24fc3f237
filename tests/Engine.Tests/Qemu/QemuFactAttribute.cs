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

/// <summary>As <see cref="QemuTheoryAttribute"/>, for what needs userfaultfd as well: postcopy.</summary>
[AttributeUsage(AttributeTargets.Method)]
sealed class PostcopyTheoryAttribute : TheoryAttribute
{
    // QEMU also handles faults of the kernel, for which Linux wants root, this setting, or a device that the user may open.
    const string Setting = "/proc/sys/vm/unprivileged_userfaultfd";

    public PostcopyTheoryAttribute() => Skip = new QemuTheoryAttribute().Skip ?? (IsPossible() ? null : $"No userfaultfd: be root, or set {Setting} to 1.");

    static bool IsPossible() => Environment.IsPrivilegedProcess || (File.Exists(Setting) && File.ReadAllText(Setting).Trim() == "1");
}

/// <summary>One row per binary; one row of no binary where there is none, so that the skipped test is still seen.</summary>
public static class QemuRows
{
    public static TheoryData<string> Binaries => [.. Names];

    /// <summary>The first one, which is the oldest in .ci/run: for what another release does no otherwise, and takes long.</summary>
    public static TheoryData<string> First => [Names.First()];

    /// <summary>The last one, as <see cref="First"/>.</summary>
    public static TheoryData<string> Last => [Names.Last()];

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

    /// <summary>Each binary as a source with each other as a destination; with a single one, that to itself.</summary>
    public static TheoryData<string, string> Pairs
    {
        get
        {
            var rows = new TheoryData<string, string>();
            foreach (var source in Names)
                foreach (var destination in Names)
                    if (source != destination || Names.Count() == 1) rows.Add(source, destination);
            return rows;
        }
    }

    static IEnumerable<string> Names => QemuBinaries.All.Count > 0 ? QemuBinaries.All : ["none"];
}
