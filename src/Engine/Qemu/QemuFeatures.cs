using System.Collections.Frozen;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Qemu;

/// <summary>
/// Which release of QEMU has what of migration (qapi/migration.json, 7.2 to 11.1). What a QEMU really has it says itself; this is for
/// telling the user which one would have it.
/// </summary>
static class QemuFeatures
{
    static readonly Version Always = new(7, 2);

    static readonly FrozenDictionary<string, Lifetime> Capabilities = new Dictionary<string, Lifetime>
    {
        ["compress"] = new(Always, new(9, 1)),
        ["block"] = new(Always, new(9, 1)),
        ["zero-blocks"] = new(Always, new(11, 1)),
        ["switchover-ack"] = new(new(8, 1)),
        ["dirty-limit"] = new(new(8, 1)),
        ["mapped-ram"] = new(new(9, 0)),
    }.ToFrozenDictionary();

    static readonly FrozenDictionary<string, Lifetime> Parameters = new Dictionary<string, Lifetime>
    {
        ["compress-level"] = new(Always, new(9, 1)),
        ["compress-threads"] = new(Always, new(9, 1)),
        ["compress-wait-thread"] = new(Always, new(9, 1)),
        ["decompress-threads"] = new(Always, new(9, 1)),
        ["block-incremental"] = new(Always, new(9, 1)),
        ["vcpu-dirty-limit"] = new(new(8, 1)),
        ["x-vcpu-dirty-limit-period"] = new(new(8, 1)),
        ["avail-switchover-bandwidth"] = new(new(8, 2)),
        ["mode"] = new(new(8, 2)),
        ["zero-page-detection"] = new(new(9, 0)),
        ["direct-io"] = new(new(9, 1)),
        ["multifd-qatzip-level"] = new(new(9, 2)),
        ["cpr-exec-command"] = new(new(10, 2)),
        ["x-rdma-chunk-size"] = new(new(11, 1)),
    }.ToFrozenDictionary();

    /// <summary>Postcopy together with channels.</summary>
    public static Version PostcopyWithMultifd { get; } = new(10, 1);

    /// <summary>migrate-incoming with exit-on-error.</summary>
    public static Version ExitOnError { get; } = new(9, 1);

    /// <summary>UnsupportedByQemu: a capability that it does not name.</summary>
    public static MigrationException NoCapability(string name, Version? version, MigrationSide side) =>
        Missing($"the capability {name}", Capabilities.GetValueOrDefault(name), version, side);

    /// <summary>UnsupportedByQemu: a parameter that it does not name.</summary>
    public static MigrationException NoParameter(string name, Version? version, MigrationSide side) =>
        Missing($"the parameter {name}", Parameters.GetValueOrDefault(name), version, side);

    /// <summary>UnsupportedByQemu: a value of multifd-compression that it refused, since that depends on the build.</summary>
    public static MigrationException NoCompression(MigrationCompression method, Version? version, MigrationSide side) => new(
        MigrationErrorId.UnsupportedByQemu, side, $"{Which(version, side)} was built without {method.ToString().ToLowerInvariant()}, which multifd-compression needs.");

    /// <summary>UnsupportedByQemu: it is older than what is asked for.</summary>
    public static MigrationException TooOld(string what, Version since, Version? version, MigrationSide side) =>
        Missing(what, new Lifetime(since), version, side);

    static MigrationException Missing(string what, Lifetime? lifetime, Version? version, MigrationSide side)
    {
        var which = Which(version, side);
        var text = lifetime switch
        {
            { Until: { } until } when version >= until => $"{which} has no longer {what}; {until} took it out.",
            { Since: { } since } when version is null || version < since => $"{which} does not have {what}; {since} has it.",
            _ => $"{which} does not have {what}; its build leaves it out.",
        };
        return new(MigrationErrorId.UnsupportedByQemu, side, text);
    }

    static string Which(Version? version, MigrationSide side) =>
        $"The QEMU{(version is null ? "" : $" {version}")} at the {(side == MigrationSide.Destination ? "destination" : "source")}";

    /// <param name="Since">The first release that has it; what is not listed is in all.</param>
    /// <param name="Until">The first release that has it no more.</param>
    sealed record Lifetime(Version Since, Version? Until = null);
}
