using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>A guest of ours that walks through its memory migrates into a real QEMU; its pages come in another order, and its memory is compared byte by byte.</summary>
public sealed class WalkIntoQemuTests
{
    const int Megabytes = 64;
    const int Ahead = 4096;

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Pages_that_come_in_another_order_are_the_same(string binary)
    {
        var port = IntoQemuTests.FreePort();
        using var qemu = new QemuMachine(binary, Megabytes, "-incoming", $"tcp:127.0.0.1:{port}");
        var guest = Walking();
        try
        {
            guest.StopAtTick(Ahead);
            TestGuests.WaitForTick(guest, Ahead);
            guest.StopAtTick(null);
            var migration = Migration.Start(guest, MigrationUri.Parse($"tcp:127.0.0.1:{port}"), new MigrationParameters { MaxBandwidth = 64L << 20, MaxDowntime = TimeSpan.FromMilliseconds(1) });
            Poll.Until(() => HasMoved(migration) || migration.Result is not null, "a pass goes on elsewhere");
            migration.Complete();
            Assert.True(migration.Wait(TimeSpan.FromSeconds(120)), "The migration does not end.");
            Assert.True(HasMoved(migration));
            Assert.Equal((MigrationStatus.Completed, PeerKind.Qemu), (migration.GetState().State, migration.GetState().Peer));
            Poll.Until(() => qemu.MigrationStatus == "completed", "QEMU says completed");
            AssertSameMemory(guest, qemu.Memory());
        }
        finally
        {
            GuestRegistry.Remove(guest);
        }
    }

    static bool HasMoved(Migration migration) => migration.GetState().Decisions.Any(one => one.What == "Order of pages");

    static MemoryGuest Walking() => GuestRegistry.Create(new GuestOptions
    {
        Name = $"qemu-{Guid.NewGuid():N}", MemorySize = (long)Megabytes << 20, ProcessorCount = 1, Workload = GuestWorkload.Sequential,
        Content = GuestContent.Random, ContentSize = (long)Megabytes << 20, DirtyRate = 16L << 20,
    });

    static unsafe void AssertSameMemory(MemoryGuest guest, byte[] memory)
    {
        var source = new ReadOnlySpan<byte>(guest.Memory.Ram.Address, checked((int)guest.MemorySize));
        Assert.Equal(source.Length, memory.Length);
        Assert.Equal(source.Length, source.CommonPrefixLength(memory));
    }
}
