namespace PsMigrate.Engine.Model;

/// <summary>The policies that come with the engine (docs/convergence.md tells when to take which).</summary>
static class BuiltInPolicies
{
    public static MigrationPolicy Adaptive { get; } = new()
    {
        Name = "Adaptive",
        Description = "QEMU's rule where that is enough, and about a tenth of the time longer where that makes the stop half as long or less; else what costs the guest least of what is permitted: by -MaxThrottle a strong brake for a pass or two "
            + "on the vCPUs that write, by -Postcopy going over.",
        Rules = [Rule("Adaptive")],
    };

    public static MigrationPolicy Qemu { get; } = new()
    {
        Name = "Qemu",
        Description = "QEMU's rule and nothing else: it switches over when what is left fits MaxDowntime, and does nothing to come there.",
    };

    public static MigrationPolicy AutoConverge { get; } = new()
    {
        Name = "AutoConverge",
        Description = "QEMU's auto-converge: all vCPUs are slowed down step by step while memory is dirtied faster than it is sent.",
        Rules = [Rule("AutoConverge")],
    };

    public static MigrationPolicy DirtyLimit { get; } = new()
    {
        Name = "DirtyLimit",
        Description = "QEMU's dirty-limit: each vCPU that writes faster than VcpuDirtyLimit is slowed down by itself; the others run on.",
        Rules = [Rule("DirtyLimit")],
    };

    public static MigrationPolicy StallAware { get; } = new()
    {
        Name = "StallAware",
        Description = "Aims at a third of MaxDowntime; where passes bring nothing more, it switches over at the end of the next one that left about as little as any.",
        StartDowntime = 1.0 / 3,
        Rules =
        [
            Rule("SwitchOver", "Passes bring nothing more, and no pass left much less than this one.", "StalledPasses >= 3", "PendingToLeast <= 1.05"),
            Rule("SwitchOver", "Passes have brought nothing more for so long that any that fits MaxDowntime will do.", "StalledPasses >= 12"),
        ],
    };

    public static MigrationPolicy DowntimeRamp { get; } = new()
    {
        Name = "DowntimeRamp",
        Description = "Begins with a tenth of MaxDowntime as the limit, and raises it by half at the end of each pass that brings nothing more, up to MaxDowntime.",
        StartDowntime = 0.1,
        Rules = [Rule("DowntimeLimit times 1.5", "Passes bring nothing more.", "StalledPasses >= 2")],
    };

    public static IReadOnlyList<MigrationPolicy> All { get; } = [Adaptive, Qemu, AutoConverge, DirtyLimit, StallAware, DowntimeRamp];

    public static MigrationPolicy Find(string name) =>
        All.FirstOrDefault(policy => policy.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw PolicyText.Invalid("name", $"there is no built-in policy '{name}'; there are {string.Join(", ", All)}. New-MigrationPolicy makes others.");

    static PolicyRule Rule(string then, string because = "", params string[] when) => new()
    {
        When = [.. when.Select(PolicyCondition.Parse)], Then = PolicyAction.Parse(then), Because = because,
    };
}
