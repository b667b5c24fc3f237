using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;

namespace PsMigrate.Engine.Qemu;

/// <summary>TLS between two QEMUs, and how they are left behind: as they were.</summary>
sealed partial class DrivenMigration
{
    EndTls? _sourceTls;
    EndTls? _destinationTls;

    void ApplyTls(EndTls? tls, QmpClient client, MigrationSide side)
    {
        if (tls is null) return;
        tls.Apply(client);
        if (!tls.IsUnproven) return;
        var (here, there) = side == MigrationSide.Source ? ("source", "destination") : ("destination", "source");
        _journal.Decide(new MigrationDecision(_phases.Elapsed, $"TLS at the {here}", "both ends prove who they are", $"the {there} need not",
            "The credentials that were named have verify-peer=no.") { IsWarning = true });
    }

    /// <summary>After the end, whatever it was; a QEMU that can't be told is recorded.</summary>
    void RestoreTls()
    {
        RestoreTls(_sourceTls, "source", () => _qmp);
        if (_far is not null) RestoreTls(_destinationTls, "destination", () => _far.Connect());
    }

    void RestoreTls(EndTls? tls, string end, Func<QmpClient> client)
    {
        try
        {
            tls?.Restore(client());
        }
        catch (MigrationException error)
        {
            Decide($"TLS at the {end}", "set for this migration", "left as it is", error.Message);
        }
    }
}
