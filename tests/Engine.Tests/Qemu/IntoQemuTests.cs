using System.Net;
using System.Net.Sockets;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>A running guest of ours migrates into a real QEMU; its memory is compared byte by byte.</summary>
public sealed class IntoQemuTests
{
    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_dirtying_guest_arrives_in_several_passes_byte_for_byte(string binary) =>
        Arrives(binary, 512, new MigrationParameters { MaxBandwidth = 400L << 20, MaxDowntime = TimeSpan.FromMilliseconds(20) });

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void In_differences_of_pages_too(string binary)
    {
        var state = Arrives(binary, 128, new MigrationParameters
        {
            Xbzrle = true, XbzrleCacheSize = 32 << 20, MaxBandwidth = 100L << 20, MaxDowntime = TimeSpan.FromMilliseconds(2),
        });
        Assert.True(state.Current.Xbzrle!.Pages - state.Current.Xbzrle.Overflow > 100, $"Hardly a page went as a difference: {state.Current.Xbzrle}.");
    }

    static MigrationState Arrives(string binary, int megabytes, MigrationParameters parameters)
    {
        var port = FreePort();
        using var qemu = new QemuMachine(binary, megabytes, "-incoming", $"tcp:127.0.0.1:{port}");
        var guest = NewGuest(megabytes, GuestWorkload.HotSpot);
        try
        {
            var migration = Migration.Start(guest, MigrationUri.Parse($"tcp:127.0.0.1:{port}"), parameters);
            migration.LetEndAfter(4);
            Assert.True(migration.Wait(TimeSpan.FromSeconds(120)), "The migration does not end.");

            var state = migration.GetState();
            Assert.Equal(MigrationStatus.Completed, state.State);
            Assert.Equal(GuestLocation.RamOnly, state.Location);
            Assert.Equal(PeerKind.Qemu, state.Peer);
            Assert.True(state.Iterations.Sum(pass => pass.Pages) > state.Current.TotalBytes / 4096, "No page went twice.");
            Assert.Contains("READY and RUN", migration.Result!.LeftOut);
            Poll.Until(() => qemu.MigrationStatus == "completed", "QEMU says completed");
            AssertSameMemory(guest, qemu.Memory());
            Assert.Equal(GuestState.PostMigrate, guest.State);
            return state;
        }
        finally
        {
            GuestRegistry.Remove(guest);
        }
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_guest_of_another_size_is_refused_and_runs_on_at_the_source(string binary)
    {
        var port = FreePort();
        using var qemu = new QemuMachine(binary, 64, "-incoming", $"tcp:127.0.0.1:{port}");
        var guest = NewGuest(32, GuestWorkload.Random);
        try
        {
            var migration = Migration.Start(guest, MigrationUri.Parse($"tcp:127.0.0.1:{port}"), new MigrationParameters());
            Assert.True(migration.Wait(TimeSpan.FromSeconds(60)), "The migration does not end.");
            Assert.Equal(MigrationStatus.Failed, migration.Status);
            Assert.Equal(GuestLocation.Source, migration.Result!.Location);
            Assert.Equal(GuestState.Running, guest.State);
            Poll.Until(() => qemu.HasExited, "QEMU gives up");
        }
        finally
        {
            GuestRegistry.Remove(guest);
        }
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Verify_is_refused_before_anything_is_sent_that_counts(string binary)
    {
        var port = FreePort();
        using var qemu = new QemuMachine(binary, 32, "-incoming", $"tcp:127.0.0.1:{port}");
        var guest = NewGuest(32, GuestWorkload.Random);
        try
        {
            var migration = Migration.Start(guest, MigrationUri.Parse($"tcp:127.0.0.1:{port}"), new MigrationParameters { Verify = true });
            Assert.True(migration.Wait(TimeSpan.FromSeconds(60)), "The migration does not end.");
            Assert.Equal(MigrationErrorId.UnsupportedByPeer, migration.Result!.Error!.Id);
            Assert.Equal(MigrationPhase.Ping, migration.Result.Error.Phase);
            Assert.Equal(GuestState.Running, guest.State);
        }
        finally
        {
            GuestRegistry.Remove(guest);
        }
    }

    static MemoryGuest NewGuest(int megabytes, GuestWorkload workload) => GuestRegistry.Create(new GuestOptions
    {
        Name = $"qemu-{Guid.NewGuid():N}",
        MemorySize = (long)megabytes << 20,
        ProcessorCount = 2,
        Workload = workload,
        Content = GuestContent.Mixed,
        DirtyRate = 100L << 20,
        WorkingSet = (long)megabytes << 19,
    });

    static unsafe void AssertSameMemory(MemoryGuest guest, byte[] memory)
    {
        var source = new ReadOnlySpan<byte>(guest.Memory.Ram.Address, checked((int)guest.MemorySize));
        Assert.Equal(source.Length, memory.Length);
        Assert.Equal(-1, FirstDifference(source, memory));
    }

    static int FirstDifference(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        var same = a.CommonPrefixLength(b);
        return same == a.Length ? -1 : same;
    }

    internal static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
