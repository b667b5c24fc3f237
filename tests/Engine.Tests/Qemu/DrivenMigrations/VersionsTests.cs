using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>Real QEMUs of two versions, and what only some builds have.</summary>
public sealed class VersionsTests
{
    // What both know, and a machine without a version would be another one in each.
    const string Machine = "pc-i440fx-7.2";

    [QemuTheory]
    [MemberData(nameof(QemuRows.Pairs), MemberType = typeof(QemuRows))]
    public void A_guest_goes_over_to_another_version(string from, string to)
    {
        using var pair = new DrivenPair(from, Machine, options => options with { Binary = to });
        var migration = pair.StartAndPass(1);
        migration.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(2)));
        AssertThere(migration, pair);
    }

    [PostcopyTheory]
    [MemberData(nameof(QemuRows.Pairs), MemberType = typeof(QemuRows))]
    public void A_guest_goes_over_to_another_version_by_postcopy(string from, string to)
    {
        using var pair = new DrivenPair(from, Machine, options => options with { Binary = to });
        var migration = pair.StartAndPass(1, pair.Parameters with { Postcopy = true });
        migration.SwitchToPostcopy();
        AssertThere(migration, pair);
    }

    [PostcopyTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Pages_that_the_guest_waits_for_go_over_a_channel_of_their_own(string binary)
    {
        using var pair = new DrivenPair(binary, forPostcopy: true);
        var migration = pair.StartFirstPass(pair.Parameters with { Postcopy = true, PostcopyPreempt = true, MaxPostcopyBandwidth = 200_000 });
        migration.SwitchToPostcopy();
        Poll.Until(() => pair.Source.Migration.Ram?.PostcopyRequests > 0, "pages are asked for");
        migration.SetLimits(new MigrationLimits(MaxPostcopyBandwidth: 0));
        AssertThere(migration, pair);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Zstd_is_what_the_build_makes_of_it(string binary)
    {
        using var pair = new DrivenPair(binary, isSlow: false);
        var has = Knows(pair.Destination, "zstd");
        var result = DrivenPair.End(pair.Start(pair.Parameters with
        {
            Channels = 2, Compression = MigrationCompression.Zstd, CompressionLevel = 1, MaxDowntime = TimeSpan.FromSeconds(1),
        }));
        if (has)
        {
            Assert.True(result.State == MigrationStatus.Completed, $"{result}");
            DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
            return;
        }
        Assert.Equal((MigrationErrorId.UnsupportedByQemu, MigrationSide.Destination, GuestLocation.Source), (result.Error?.Id, result.Error?.Side, result.Location));
        Assert.Equal("running", pair.Source.RunState);
    }

    static bool Knows(QemuMachine machine, string compression)
    {
        try
        {
            machine.SetParameters(("multifd-compression", compression));
            machine.SetParameters(("multifd-compression", "none"));
            return true;
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.QemuRefused)
        {
            return false;
        }
    }

    static void AssertThere(Migration migration, DrivenPair pair)
    {
        var result = DrivenPair.End(migration);
        Assert.True(result is { State: MigrationStatus.Completed, Location: GuestLocation.Destination }, $"{result} {DrivenPair.Story(migration)}");
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }
}
