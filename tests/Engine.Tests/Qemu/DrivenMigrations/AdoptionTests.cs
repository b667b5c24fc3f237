using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>Migrations that a QEMU was at before anybody here came to look.</summary>
public sealed class AdoptionTests
{
    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_new_session_takes_up_what_runs(string binary)
    {
        using var pair = new DrivenPair(binary);
        var address = pair.Destination.Listen();
        pair.Source.SetParameters(("max-bandwidth", 20_000_000), ("downtime-limit", 1));
        Assert.Null(Migration.Adopt(pair.Guest));
        pair.Source.Migrate(address);
        Poll.Until(() => pair.Source.MigrationStatus == "active", "it is active");
        var migration = Migration.Adopt(pair.Guest)!;
        Assert.True(migration.IsAdopted && migration.GetState().IsAdopted && pair.Guest.IsBusy);
        Assert.Null(Migration.Adopt(pair.Guest));
        Assert.Equal(20_000_000, migration.GetState().Parameters.MaxBandwidth);
        migration.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(2), MaxBandwidth: 0));
        var result = DrivenPair.End(migration);
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (result.State, result.Location));
        Assert.True(result.TransferredBytes > 8192 * 4096);
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }

    [PostcopyTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void In_postcopy_it_is_not_cancelled_and_ends_at_the_destination(string binary)
    {
        using var pair = new DrivenPair(binary, forPostcopy: true);
        foreach (var machine in new[] { pair.Source, pair.Destination }) machine.SetCapabilities("postcopy-ram");
        pair.Source.SetCapabilities("return-path");
        var address = pair.Destination.Listen();
        pair.Source.SetParameters(("max-bandwidth", 4_000_000), ("max-postcopy-bandwidth", 200_000), ("downtime-limit", 1));
        pair.Source.Migrate(address);
        Poll.Until(() => pair.Source.MigrationStatus == "active", "it is active");
        pair.Source.Execute("migrate-start-postcopy");
        Poll.Until(() => pair.Destination.RunState == "running" && pair.Source.MigrationStatus == "postcopy-active", "the guest has gone over");
        var migration = Migration.Adopt(pair.Guest)!;
        Assert.Equal(MigrationStatus.PostcopyActive, migration.Status);
        Assert.Equal(CancelOutcome.TooLate, migration.Cancel().Outcome);
        Assert.Equal(MigrationErrorId.GuestBusy, Assert.Throws<MigrationException>(() => pair.Start()).Id);
        migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        var result = DrivenPair.End(migration);
        Assert.Equal((MigrationStatus.Completed, GuestLocation.Destination), (result.State, result.Location));
        // QEMU says that it is completed a moment before its run state follows.
        Poll.Until(() => pair.Guest.State == GuestState.PostMigrate, "the guest has left its QEMU");
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }
}
