using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>A running guest of ours goes through compressed channels into a real QEMU; its memory is compared page by page.</summary>
public sealed class CompressionIntoQemuTests
{
    const int Megabytes = 128;

    public static TheoryData<string, MigrationCompression, GuestContent, MigrationMeans> Rows
    {
        get
        {
            var rows = new TheoryData<string, MigrationCompression, GuestContent, MigrationMeans>();
            foreach (string binary in QemuRows.Binaries)
                foreach (var method in new[] { MigrationCompression.Zlib, MigrationCompression.Zstd })
                    foreach (var content in new[] { GuestContent.Zero, GuestContent.Text, GuestContent.Random, GuestContent.Mixed })
                        rows.Add(binary, method, content, content == GuestContent.Text ? MigrationMeans.Qemu : MigrationMeans.Adaptive);
            return rows;
        }
    }

    [QemuTheory]
    [MemberData(nameof(Rows))]
    public void A_dirtying_guest_arrives_page_for_page(string binary, MigrationCompression method, GuestContent content, MigrationMeans means)
    {
        using var qemu = new QemuMachine(new QemuOptions(binary) { Megabytes = Megabytes }.Awaiting());
        qemu.SetCapabilities("multifd");
        qemu.SetParameters(("multifd-channels", 2), ("multifd-compression", $"{method}".ToLowerInvariant()));
        var release = QemuIdentity.Query(qemu.Qmp).Version!;
        var options = TestGuests.Options(GuestWorkload.Random, Megabytes * TestGuests.MiB, rate: 30 * TestGuests.MiB);
        var guest = GuestRegistry.Create(options with { Content = content, ContentSize = Megabytes * TestGuests.MiB });
        try
        {
            var migration = Migration.Start(guest, MigrationUri.Parse(qemu.Listen()), new MigrationParameters
            {
                Channels = 2, PeerVersion = release, Compression = method, Means = means, MaxBandwidth = 100 * TestGuests.MiB, MaxDowntime = TimeSpan.FromMilliseconds(5),
            });
            migration.LetEndAfter(2);
            Assert.True(migration.Wait(TimeSpan.FromSeconds(120)), $"The migration hangs in {migration.GetState().Phase}.");
            var state = migration.GetState();
            Assert.Null(state.Error);
            Assert.Equal((MigrationStatus.Completed, GuestLocation.RamOnly, PeerKind.Qemu), (state.State, state.Location, state.Peer));
            qemu.WaitForMigration();
            AssertSameMemory(guest, qemu);
            Assert.Equal(state.Current.NormalPages, state.Current.Compression!.Pages + state.Current.Compression.PlainPages);
            if (content == GuestContent.Random) AssertStored(state, method);
        }
        finally
        {
            GuestRegistry.Remove(guest);
        }
    }

    static void AssertStored(MigrationState state, MigrationCompression method)
    {
        var decision = state.Decisions.First(decision => decision.What.StartsWith("Compression of channel", StringComparison.Ordinal));
        Assert.Equal(($"{method}", $"{method} blocks that are stored as they are"), (decision.From, decision.To));
        Assert.InRange(state.Current.Compression!.PlainPages, 1, long.MaxValue);
    }

    static unsafe void AssertSameMemory(MemoryGuest guest, QemuMachine qemu) =>
        Assert.Empty(RamImage.Differences(qemu.Memory(), new ReadOnlySpan<byte>(guest.Memory.Ram.Address, checked((int)guest.MemorySize))));
}
