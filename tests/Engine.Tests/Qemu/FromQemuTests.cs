using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>Memory goes from a guest of ours into a real QEMU, and from there to a receiver of ours.</summary>
public sealed class FromQemuTests
{
    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Memory_makes_the_round_trip_without_a_return_path(string binary) => RoundTrip(binary, hasReturnPath: false);

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Memory_makes_the_round_trip_with_a_return_path(string binary) => RoundTrip(binary, hasReturnPath: true);

    static void RoundTrip(string binary, bool hasReturnPath)
    {
        const int Megabytes = 64;
        var port = IntoQemuTests.FreePort();
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = $"h{Guid.NewGuid():N}" });
        using var qemu = new QemuMachine(binary, Megabytes, "-incoming", $"tcp:127.0.0.1:{port}");
        var guest = GuestRegistry.Create(new GuestOptions
        {
            Name = $"trip-{Guid.NewGuid():N}",
            MemorySize = Megabytes << 20,
            Content = GuestContent.Mixed,
            Workload = GuestWorkload.Random,
        });
        try
        {
            var into = Migration.Start(guest, MigrationUri.Parse($"tcp:127.0.0.1:{port}"), new MigrationParameters());
            Assert.True(into.Wait(TimeSpan.FromSeconds(60)), "The migration into QEMU does not end.");
            Assert.Equal(MigrationStatus.Completed, into.Status);
            Poll.Until(() => qemu.MigrationStatus == "completed", "QEMU says completed");

            if (hasReturnPath)
                qemu.SetCapabilities("return-path");
            qemu.Migrate(receiver.Uri.ToString());
            Assert.True(receiver.TryTakeArrival(out var arrival, TimeSpan.FromSeconds(60)), "Nothing arrives.");
            Assert.Null(arrival.Error);
            Poll.Until(() => qemu.MigrationStatus == "completed", "QEMU says completed");
            Assert.Equal(GuestState.Suspended, arrival.GuestState);
            Assert.Equal(0, arrival.Guest!.ProcessorCount);
            Assert.Equal(guest.Digest(), arrival.Guest.Digest());
            GuestRegistry.Remove(arrival.Guest);
        }
        finally
        {
            GuestRegistry.Remove(guest);
        }
    }
}
