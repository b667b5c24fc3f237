using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>The pages of a real QEMU's running machine come through several connections, and all are right.</summary>
public sealed class MultifdCaptureTests
{
    static readonly WalkingGuest Program = new() { First = 8 << 20, Pages = 2048, Delay = 500, Seed = 11 };

    public static TheoryData<string, int, string> Forms
    {
        get
        {
            var rows = new TheoryData<string, int, string>();
            foreach (string binary in QemuRows.Binaries)
            {
                rows.Add(binary, 2, "none");
                rows.Add(binary, 3, "none");
                rows.Add(binary, 2, "zlib");
                rows.Add(binary, 3, "zstd");
            }
            return rows;
        }
    }

    [QemuTheory]
    [MemberData(nameof(Forms))]
    public void With_a_return_path(string binary, int channels, string compression) =>
        Receive(new QemuOptions(binary) { Machine = "pc" }, channels, compression, new ReceiverOptions(), "return-path");

    [QemuTheory]
    [MemberData(nameof(QemuRows.Machines), MemberType = typeof(QemuRows))]
    public void Without_a_return_path(string binary, string machine) => Receive(new QemuOptions(binary) { Machine = machine }, 2, "none", new ReceiverOptions());

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void As_many_channels_as_the_receiver_was_told(string binary) =>
        Receive(new QemuOptions(binary) { Machine = "pc" }, 16, "none", new ReceiverOptions { Channels = 16 }, "return-path");

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_machine_that_marks_each_section(string binary) =>
        Receive(new QemuOptions(binary) { Machine = "pc-i440fx-7.2" }, 2, "none", new ReceiverOptions(), "return-path");

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void With_a_uuid_that_the_stream_tells(string binary) =>
        Receive(new QemuOptions(binary) { Machine = "pc", Uuid = Guid.NewGuid() }, 2, "none", new ReceiverOptions(), "return-path", "validate-uuid");

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void More_channels_than_the_receiver_was_told_are_refused(string binary)
    {
        var host = TestGuests.UniqueName("captured");
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = host, Channels = 2 });
        using var qemu = new QemuMachine(binary, 32);
        qemu.SetCapabilities("multifd", "return-path");
        qemu.SetParameters(("multifd-channels", 3));
        qemu.Migrate(receiver.Uri.ToString());
        Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit), "Nothing ends.");
        Assert.Equal(MigrationErrorId.DestinationRefused, arrival.Error!.Id);
        qemu.WaitForMigration("failed");
        Assert.Empty(TestGuests.On(host));
    }

    static void Receive(QemuOptions options, int channels, string compression, ReceiverOptions settings, params string[] capabilities)
    {
        var host = TestGuests.UniqueName("captured");
        using var receiver = MigrationReceiver.Start(settings with { HostName = host });
        using var qemu = new QemuMachine(options with { Megabytes = 48, Program = Program, HasRamFile = true });
        qemu.WaitForCounter(Program.Pages);
        qemu.SetCapabilities([.. capabilities, "multifd"]);
        qemu.SetParameters(("multifd-channels", channels), ("multifd-compression", compression));
        qemu.EnsureNonConverge();
        qemu.Migrate(receiver.Uri.ToString());
        try
        {
            qemu.WaitForIterations(3);
            Assert.Equal(1, receiver.ActiveCount);
            qemu.EnsureConverge();
            Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit), "Nothing arrives.");
            Assert.True(arrival.Error is null, $"{arrival.Error}");
            qemu.WaitForMigration();
            var ram = arrival.Guest!.Memory.Find("pc.ram")!.Span(0, 48 << 20);
            Assert.Empty(RamImage.Differences(qemu, ram));
            Assert.Empty(RamImage.Differences(qemu.Ram(), ram));
            Program.AssertConsistent(ram);
            // QEMU counts what went through the channels: the pages did.
            Assert.True(qemu.Migration.Ram!.MultifdBytes > 0, "The pages went another way.");
            Assert.True(arrival.NormalPages > Program.Pages, $"Only {arrival.NormalPages} pages were counted.");
            Assert.Equal((1, 0, 0), (receiver.ArrivedCount, receiver.FailedCount, receiver.ActiveCount));
        }
        finally
        {
            TestGuests.RemoveAll(host);
        }
    }
}
