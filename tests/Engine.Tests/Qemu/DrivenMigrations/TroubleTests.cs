using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu.DrivenMigrations;

/// <summary>Real QEMUs that do not fit, refuse or die: where the guest runs is known, and it is one place.</summary>
public sealed class TroubleTests
{
    public static TheoryData<string, string, string> Misfits
    {
        get
        {
            var rows = new TheoryData<string, string, string>();
            foreach (var binary in QemuBinaries.All.DefaultIfEmpty("none"))
            {
                rows.Add(binary, "RAM", "the RAM is 64 MB at the source and ");
                rows.Add(binary, "machine", "machine type");
                rows.Add(binary, "vCPUs", "number of vCPUs");
                rows.Add(binary, "uuid", "uuid");
            }
            return rows;
        }
    }

    [QemuTheory]
    [MemberData(nameof(Misfits))]
    public void Ends_that_disagree_are_told_apart_before_anything_starts(string binary, string what, string said)
    {
        using var pair = new DrivenPair(binary, destination: options => what switch
        {
            "RAM" => options with { Megabytes = 128 },
            "machine" => options with { Machine = "q35" },
            "vCPUs" => options with { Arguments = ["-smp", "2"] },
            _ => options with { Uuid = Guid.NewGuid() },
        });
        var result = DrivenPair.End(pair.Start(pair.Parameters with { ValidateUuid = true }));
        Assert.Equal((MigrationErrorId.EndsDisagree, MigrationSide.Destination, GuestLocation.Source), (result.Error?.Id, result.Error?.Side, result.Location));
        Assert.Contains(said, result.Error!.Message, StringComparison.Ordinal);
        Assert.Equal("none", pair.Source.MigrationStatus);
        Assert.Empty(pair.Destination.Migration.SocketAddresses);
        DrivenPair.AssertRunsOnlyAt(pair.Source, pair.Destination);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Nobody_listens(string binary)
    {
        using var pair = new DrivenPair(binary);
        var result = DrivenPair.End(pair.Start(pair.Parameters with { DestinationQmp = null }, $"tcp:127.0.0.1:{IntoQemuTests.FreePort()}"));
        Assert.Equal((MigrationErrorId.ConnectionRefused, MigrationStatus.Failed, GuestLocation.Source), (result.Error?.Id, result.State, result.Location));
        DrivenPair.AssertRunsOnlyAt(pair.Source, pair.Destination);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void The_destination_dies_while_memory_goes_over(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.StartAndPass(1);
        pair.Destination.Kill();
        var result = DrivenPair.End(migration);
        Assert.Equal((MigrationErrorId.DestinationFailed, GuestLocation.Source), (result.Error?.Id, result.Location));
        Assert.Contains("has ended", result.Error!.Message, StringComparison.Ordinal);
        DrivenPair.AssertRunsOnlyAt(pair.Source, pair.Destination);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void The_destination_dies_while_the_guest_stands(string binary)
    {
        using var pair = new DrivenPair(binary, isSlow: false);
        var migration = pair.Start(pair.Parameters with { PauseBeforeSwitchover = true, MaxDowntime = TimeSpan.FromSeconds(2) });
        DrivenPair.Await(migration, MigrationStatus.PreSwitchover);
        pair.Destination.Kill();
        migration.Complete();
        var result = DrivenPair.End(migration);
        Assert.Equal((MigrationErrorId.DestinationFailed, GuestLocation.Source), (result.Error?.Id, result.Location));
        DrivenPair.AssertRunsOnlyAt(pair.Source, pair.Destination);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void The_source_dies_in_the_middle(string binary)
    {
        using var pair = new DrivenPair(binary);
        var migration = pair.StartAndPass(1);
        pair.Source.Kill();
        var result = DrivenPair.End(migration);
        Assert.Equal((MigrationErrorId.QmpConnectionLost, MigrationStatus.Failed, GuestLocation.Source), (result.Error?.Id, result.State, result.Location));
        Assert.Contains("has ended", result.Error!.Message, StringComparison.Ordinal);
        Assert.True(pair.Destination.HasExited || pair.Destination.RunState != "running");
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_destination_that_does_not_wait_is_refused(string binary)
    {
        using var pair = new DrivenPair(binary, destination: options => options with { Incoming = null });
        var result = DrivenPair.End(pair.Start());
        Assert.Equal((MigrationErrorId.DestinationRefused, GuestLocation.Source), (result.Error?.Id, result.Location));
        Assert.Equal("running", pair.Source.RunState);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_destination_that_listens_already_is_used(string binary)
    {
        var port = IntoQemuTests.FreePort();
        using var pair = new DrivenPair(binary, destination: options => options with { Incoming = $"tcp:127.0.0.1:{port}" }, isSlow: false);
        var migration = pair.Start(pair.Parameters with { MaxDowntime = TimeSpan.FromSeconds(1) }, $"tcp:127.0.0.1:{port}");
        Assert.Equal(MigrationStatus.Completed, DrivenPair.End(migration).State);
        Assert.Contains(migration.GetState().Decisions, one => one.To == "left out");
        DrivenPair.AssertRunsOnlyAt(pair.Destination, pair.Source);
    }
}
