using System.Text.Json;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>A running machine of a real QEMU comes to a receiver: every page and every device section of it.</summary>
public sealed class CaptureTests
{
    [QemuTheory]
    [MemberData(nameof(QemuRows.Machines), MemberType = typeof(QemuRows))]
    public void A_running_machine_with_a_return_path(string binary, string machine) => Receive(new QemuOptions(binary) { Machine = machine }, ["return-path"]);

    [QemuTheory]
    [MemberData(nameof(QemuRows.Machines), MemberType = typeof(QemuRows))]
    public void A_running_machine_without_a_return_path(string binary, string machine) => Receive(new QemuOptions(binary) { Machine = machine }, []);

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Differences_of_pages(string binary) => Receive(new QemuOptions(binary) { Machine = "pc" }, ["return-path", "xbzrle"],
        until: source => source.TryGetProperty("xbzrle-cache", out var cache) && cache.GetProperty("pages").GetInt64() > 100);

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Compressed_pages(string binary)
    {
        // The capability went with QEMU 9.1.
        if (VersionOf(binary) >= new Version(9, 1)) return;
        Receive(new QemuOptions(binary) { Machine = "pc" }, ["return-path", "compress"],
            until: source => source.TryGetProperty("compression", out var figures) && figures.GetProperty("pages").GetInt64() > 100);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void The_uuid_of_the_machine_is_kept(string binary)
    {
        var uuid = Guid.NewGuid();
        Receive(new QemuOptions(binary) { Machine = "pc", Uuid = uuid }, ["return-path", "validate-uuid"], guest => Assert.Equal(uuid, guest.Uuid));
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Sections_are_cut_without_a_description_and_with_a_return_path(string binary) =>
        Receive(new QemuOptions(binary) { Machine = "pc,suppress-vmdesc=on" }, ["return-path"], guest => Assert.Null(guest.Machine!.Description));

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Sections_are_cut_without_a_description_and_without_a_return_path(string binary) =>
        Receive(new QemuOptions(binary) { Machine = "q35,suppress-vmdesc=on" }, [], guest => Assert.Null(guest.Machine!.Description));

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_machine_so_old_that_its_sections_have_no_footers(string binary)
    {
        // Later QEMUs have no such machine, and 10.0 ends with an assertion when it is to leave out CONFIGURATION.
        var isOld = VersionOf(binary) < new Version(8, 0);
        var options = new QemuOptions(binary) { Machine = isOld ? "pc-i440fx-2.3" : "pc" };
        if (!isOld) options = options with { Arguments = ["-global", "migration.send-section-footer=off", "-global", "migration.store-global-state=off"] };
        Receive(options, ["return-path"], guest =>
        {
            Assert.False(guest.Machine!.HasFooters);
            Assert.Equal("running", guest.RunState);
            if (isOld) Assert.Equal("", guest.MachineType);
        });
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void What_arrived_can_be_kept_and_looked_at_but_not_run(string binary) => Receive(new QemuOptions(binary) { Machine = "pc" }, ["return-path"], guest =>
    {
        Assert.Equal(GuestKind.Captured, guest.Kind);
        Assert.Equal(GuestState.Suspended, guest.State);
        Assert.Equal(1, guest.ProcessorCount);
        guest.Suspend();
        var error = Assert.Throws<MigrationException>(() => guest.Resume(force: true));
        Assert.Equal(MigrationErrorId.UnsupportedByGuest, error.Id);
        Assert.Equal(32, guest.Digest().Length);
    });

    static Version VersionOf(string binary)
    {
        using var qemu = new QemuMachine(binary, 32);
        return qemu.Qmp.QemuVersion;
    }

    static void Receive(QemuOptions options, string[] capabilities, Action<MemoryGuest>? check = null, Func<JsonElement, bool>? until = null)
    {
        var program = new WalkingGuest { First = 8 << 20, Pages = 1024, Delay = 2000, Seed = 11 };
        var host = TestGuests.UniqueName("captured");
        using var receiver = MigrationReceiver.Start(new ReceiverOptions { HostName = host });
        using var qemu = new QemuMachine(options with { Megabytes = 48, Program = program, HasRamFile = true });
        qemu.WaitForCounter(program.Pages);
        qemu.SetCapabilities(capabilities);
        // The guest dirties its 4 MiB again in each pass; it may stop once the test has seen enough.
        qemu.SetParameters(("max-bandwidth", 40 << 20), ("downtime-limit", until is null ? 500 : 1));
        qemu.Migrate(receiver.Uri.ToString());
        if (until is not null) Poll.Until(() => until(qemu.Execute("query-migrate")), "the source sends what the test is about");
        qemu.SetParameters(("downtime-limit", 500));
        try
        {
            Assert.True(receiver.TryTakeArrival(out var arrival, TimeSpan.FromSeconds(60)), "Nothing arrives.");
            Assert.True(arrival.Error is null, $"{arrival.Error}");
            qemu.WaitForMigration();
            var guest = arrival.Guest!;
            Assert.Empty(RamImage.Differences(qemu.Ram(), guest.Memory.Find("pc.ram")!.Span(0, 48 << 20)));
            program.AssertConsistent(guest.Memory.Find("pc.ram")!.Span(0, 48 << 20));
            Assert.Equal(qemu.RamBlocks.Select(block => block.Name).Order(), guest.RamBlocks.Select(block => block.Name).Order());
            AssertDevices(guest);
            Assert.Equal(arrival.DeviceCount, guest.Devices.Length);
            check?.Invoke(guest);
        }
        finally
        {
            TestGuests.RemoveAll(host);
        }
    }

    /// <summary>By names that any machine with a processor and a virtio disk has; a wrong cut would have lost some.</summary>
    static void AssertDevices(MemoryGuest guest)
    {
        var names = guest.Devices.Select(device => device.Name).ToArray();
        foreach (var name in new[] { "timer", "cpu_common", "cpu", "apic", "mc146818rtc" })
            Assert.Contains(name, names);
        Assert.Contains(names, name => name.EndsWith("/virtio-blk", StringComparison.Ordinal));
        Assert.True(names.Length >= 20, $"Only {string.Join(", ", names)}");
        Assert.Equal(0, guest.Devices.Count(device => device.Size == 0));
    }
}
