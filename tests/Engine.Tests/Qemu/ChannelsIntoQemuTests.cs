using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>A running guest of ours goes through channels into a real QEMU; its memory is compared page by page.</summary>
public sealed class ChannelsIntoQemuTests
{
    const int Megabytes = 256;

    public static TheoryData<string, int> Rows
    {
        get
        {
            var rows = new TheoryData<string, int>();
            foreach (var binary in QemuRows.Binaries)
                foreach (var channels in new[] { 1, 2, 4 }) rows.Add(binary, channels);
            return rows;
        }
    }

    [QemuTheory]
    [MemberData(nameof(Rows))]
    public void A_dirtying_guest_arrives_in_several_passes_page_for_page(string binary, int channels)
    {
        using var qemu = Awaiting(binary, channels);
        var guest = NewGuest();
        try
        {
            var state = Migrate(guest, qemu.Listen(), new MigrationParameters
            {
                Channels = channels, PeerVersion = ReleaseOf(qemu), MaxBandwidth = 400L << 20, MaxDowntime = TimeSpan.FromMilliseconds(20),
            });
            Assert.Null(state.Error);
            Assert.Equal((MigrationStatus.Completed, GuestLocation.RamOnly, PeerKind.Qemu), (state.State, state.Location, state.Peer));
            Assert.True(state.Iterations.Length >= 2, $"Only {state.Iterations.Length} passes.");
            Assert.True(state.Current.ZeroPages > 1000, $"Only {state.Current.ZeroPages} zero pages.");
            qemu.WaitForMigration();
            AssertSameMemory(guest, qemu);
        }
        finally
        {
            GuestRegistry.Remove(guest);
        }
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Asked_over_QMP_it_tells_its_release_and_its_uuid(string binary)
    {
        using var qemu = Awaiting(binary, 2, Guid.NewGuid());
        var guest = NewGuest();
        try
        {
            var state = Migrate(guest, qemu.Listen(), new MigrationParameters { Channels = 2, DestinationQmp = qemu.QmpUri.ToString() });
            Assert.Null(state.Error);
            qemu.WaitForMigration();
            AssertSameMemory(guest, qemu);
        }
        finally
        {
            GuestRegistry.Remove(guest);
        }
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void One_that_is_set_otherwise_is_not_connected_to(string binary)
    {
        using var qemu = Awaiting(binary, 3);
        var guest = NewGuest();
        try
        {
            var state = Migrate(guest, qemu.Listen(), new MigrationParameters { Channels = 2, DestinationQmp = qemu.QmpUri.ToString() });
            Assert.Equal((MigrationErrorId.EndsDisagree, MigrationPhase.Connect), (state.Error!.Id, state.Error.Phase));
            Assert.Equal(GuestState.Running, guest.State);
            // To have been connected to would have ended it.
            Assert.Equal("inmigrate", qemu.RunState);
        }
        finally
        {
            GuestRegistry.Remove(guest);
        }
    }

    static QemuMachine Awaiting(string binary, int channels, Guid? uuid = null)
    {
        var qemu = new QemuMachine(new QemuOptions(binary) { Megabytes = Megabytes, Uuid = uuid }.Awaiting());
        qemu.SetCapabilities("multifd");
        qemu.SetParameters(("multifd-channels", channels));
        return qemu;
    }

    static Version ReleaseOf(QemuMachine qemu) => Engine.Qmp.QemuIdentity.Query(qemu.Qmp).Version!;

    static MemoryGuest NewGuest() => GuestRegistry.Create(TestGuests.Options(GuestWorkload.Random, Megabytes * TestGuests.MiB, rate: 100 * TestGuests.MiB));

    static MigrationState Migrate(MemoryGuest guest, string destination, MigrationParameters parameters)
    {
        var migration = Migration.Start(guest, MigrationUri.Parse(destination), parameters);
        migration.LetEndAfter(2);
        Assert.True(migration.Wait(TimeSpan.FromSeconds(120)), $"The migration hangs in {migration.GetState().Phase}.");
        return migration.GetState();
    }

    static unsafe void AssertSameMemory(MemoryGuest guest, QemuMachine qemu) =>
        Assert.Empty(RamImage.Differences(qemu.Memory(), new ReadOnlySpan<byte>(guest.Memory.Ram.Address, checked((int)guest.MemorySize))));
}
