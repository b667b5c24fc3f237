using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Qmp;

/// <summary>QEMU's names of the states of a migration, as in query-migrate and the event MIGRATION.</summary>
static class QemuStatus
{
    static readonly Dictionary<string, MigrationStatus> ByName = Enum.GetValues<MigrationStatus>().ToDictionary(NameOf);

    /// <summary>The state of that name; null where a newer QEMU has one that is not known here.</summary>
    public static MigrationStatus? Parse(string name) => ByName.TryGetValue(name, out var status) ? status : null;

    /// <summary>For example <c>postcopy-active</c>.</summary>
    public static string NameOf(MigrationStatus status) =>
        string.Concat(status.ToString().Select((c, i) => char.IsUpper(c) ? (i > 0 ? "-" : "") + char.ToLowerInvariant(c) : c.ToString()));
}
