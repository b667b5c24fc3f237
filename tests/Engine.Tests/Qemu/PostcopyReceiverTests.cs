using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>A receiver tells a real QEMU's main, preempt and recovery connections apart.</summary>
public sealed class PostcopyReceiverTests
{
    const int Megabytes = 48;

    static readonly TimeSpan FirstWord = TimeSpan.FromSeconds(3);

    static readonly WalkingGuest Program = new() { First = 8 << 20, Pages = 2048, Delay = 2000, Seed = 11 };

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void With_a_preempt_channel(string binary) => Receive(binary, "pc", recoveries: 0, "postcopy-preempt");

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void With_the_early_preempt_channel_of_an_old_machine(string binary) => Receive(binary, "pc-i440fx-7.2", recoveries: 0, "postcopy-preempt");

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Recovered_twice(string binary) => Receive(binary, "pc", recoveries: 2);

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Recovered_twice_with_a_preempt_channel(string binary) => Receive(binary, "pc", recoveries: 2, "postcopy-preempt");

    static void Receive(string binary, string machine, int recoveries, params string[] capabilities)
    {
        var host = TestGuests.UniqueName("captured");
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = host, FirstWordTimeout = FirstWord });
        using var qemu = new QemuMachine(new QemuOptions(binary) { Machine = machine, Megabytes = Megabytes, Program = Program, HasRamFile = true });
        qemu.WaitForCounter(Program.Pages);
        qemu.SetCapabilities(["return-path", "postcopy-ram", .. capabilities]);
        // Slow enough that pages are missing until the limit is lifted.
        qemu.SetParameters(("max-bandwidth", 20 << 20), ("downtime-limit", 1), ("max-postcopy-bandwidth", 256 << 10));
        qemu.Migrate(receiver.Uri.ToString());
        try
        {
            Poll.Until(() => qemu.Iterations > 1, "a second pass");
            qemu.Execute("migrate-start-postcopy");
            Await(receiver, MigrationStatus.PostcopyActive);
            for (var i = 0; i < recoveries; i++) Recover(qemu, receiver);
            // So long the preempt channel has nothing to say.
            if (capabilities.Contains("postcopy-preempt")) Thread.Sleep(2 * FirstWord);
            qemu.SetParameters(("max-postcopy-bandwidth", 0));
            qemu.WaitForMigration();
            AssertArrived(qemu, receiver);
        }
        finally
        {
            receiver.Stop();
            TestGuests.RemoveAll(host);
        }
    }

    static void Recover(QemuMachine qemu, MigrationReceiver receiver)
    {
        // Shuts its sockets down.
        qemu.Execute("migrate-pause");
        qemu.WaitForMigration("postcopy-paused");
        Await(receiver, MigrationStatus.PostcopyPaused);
        qemu.Execute("migrate", new { uri = receiver.Uri.ToString(), resume = true });
        qemu.WaitForMigration("postcopy-active");
        Await(receiver, MigrationStatus.PostcopyActive);
    }

    static void Await(MigrationReceiver receiver, MigrationStatus status) => Poll.Until(() =>
    {
        var state = receiver.GetState();
        Assert.Equal(0, state.FailedCount);
        return state.Incoming is [{ } only] && only.State == status;
    }, $"the receiver is {status}");

    static void AssertArrived(QemuMachine qemu, MigrationReceiver receiver)
    {
        Assert.True(receiver.TryTakeArrival(out var arrival, Patience.Limit), "Nothing arrives.");
        Assert.True(arrival.Error is null, $"{arrival.Error}");
        var ram = arrival.Guest!.Memory.Find("pc.ram")!.Span(0, Megabytes << 20);
        Assert.Empty(RamImage.Differences(qemu.Ram(), ram));
        Assert.Empty(RamImage.Differences(qemu, ram));
        Program.AssertConsistent(ram);
        // Neither a preempt channel nor a recovery is a migration of its own, nor a failure.
        Assert.Equal((1, 0, 0), (receiver.ArrivedCount, receiver.FailedCount, receiver.ActiveCount));
    }
}
