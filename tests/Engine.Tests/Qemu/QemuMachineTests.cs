using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>The machines that the other tests rely on: they boot, run, show their memory and end.</summary>
public sealed class QemuMachineTests
{
    [QemuTheory]
    [MemberData(nameof(QemuRows.Machines), MemberType = typeof(QemuRows))]
    public void The_guest_boots_counts_and_leaves_the_memory_that_its_counter_says(string binary, string machine)
    {
        var program = new WalkingGuest { First = 16 << 20, Pages = 2048, Seed = 7 };
        using var qemu = new QemuMachine(new QemuOptions(binary) { Machine = machine, Program = program });
        qemu.WaitForCounter(3 * program.Pages);
        Assert.Equal("running", qemu.RunState);
        Assert.StartsWith("BW", qemu.Progress, StringComparison.Ordinal);
        qemu.Stop();
        var counter = qemu.PhysicalCounter();
        program.AssertConsistent(qemu.Memory());
        Assert.Equal(counter, qemu.PhysicalCounter());
        qemu.Continue();
        qemu.WaitForCounter();
        Assert.Equal(["STOP", "RESUME"], qemu.EventNames.Where(name => name is "STOP" or "RESUME"));
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Machines), MemberType = typeof(QemuRows))]
    public void What_pmemsave_shows_of_a_booted_machine_is_its_RAM(string binary, string machine)
    {
        using var qemu = new QemuMachine(new QemuOptions(binary) { Machine = machine, Program = new WalkingGuest(), HasRamFile = true });
        qemu.WaitForCounter();
        qemu.Stop();
        var ram = qemu.Ram();
        Assert.Empty(RamImage.Differences(qemu, ram));
        ram[0xf0123]++;
        Assert.Equal([0xf0], RamImage.Differences(qemu, ram));
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Machines), MemberType = typeof(QemuRows))]
    public void Where_no_firmware_ran_ROM_is_shown_over_RAM(string binary, string machine)
    {
        using var qemu = new QemuMachine(new QemuOptions(binary) { Machine = machine, Paused = true, HasRamFile = true });
        var (memory, ram) = (qemu.Memory(), qemu.Ram());
        Assert.NotEmpty(RamImage.Differences(memory, ram));
        Assert.Empty(RamImage.Differences(qemu, ram));
        ram[1 << 20]++;
        Assert.Equal([0x100], RamImage.Differences(qemu, ram));
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Its_blocks_events_and_end_are_seen(string binary)
    {
        using var qemu = new QemuMachine(new QemuOptions(binary) { Machine = "pc", Megabytes = 32, Paused = true });
        Assert.Equal("prelaunch", qemu.RunState);
        Assert.Equal(("pc.ram", 32L << 20), qemu.RamBlocks[0]);
        Assert.Contains(("pc.bios", 0x40000L), qemu.RamBlocks);
        using (var product = QmpClient.Connect(qemu.QmpUri, Patience.Limit)) Assert.Equal(qemu.Qmp.QemuVersion, product.QemuVersion);
        qemu.Execute("quit");
        Assert.Equal(0, qemu.WaitForExit());
        Assert.Contains("SHUTDOWN", qemu.EventNames);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void What_a_QEMU_says_that_can_not_start_is_kept(string binary) =>
        Assert.Contains("no-such-device", Assert.Throws<InvalidOperationException>(
            () => new QemuMachine(binary, 32, "-device", "no-such-device")).Message, StringComparison.Ordinal);
}
