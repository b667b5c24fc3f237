using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Streams;
using PsMigrate.Engine.Tests.Files;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Qemu;

/// <summary>Files of a real QEMU are restored here, and files of ours load into a real QEMU; a guest that ran goes on there.</summary>
public sealed class FileTests : IDisposable
{
    static readonly WalkingGuest Program = new() { First = 16 << 20, Pages = 2048, Seed = 7 };

    readonly Folder _folder = new();

    [QemuTheory]
    [MemberData(nameof(QemuRows.Machines), MemberType = typeof(QemuRows))]
    public void A_stream_of_a_QEMU_is_restored_saved_and_goes_on_in_another(string binary, string machine)
    {
        var options = new QemuOptions(binary) { Machine = machine, Program = Program };
        var (guest, counter) = Capture(options, $"exec:cat > {_folder["qemu"]}");
        Assert.Equal((GuestKind.Captured, "qemu", GuestState.Suspended), (guest.Kind, guest.Name, guest.State));
        var saved = _folder.Save(guest, "ours");
        Assert.Equal(guest.Digest(), saved.Digest);
        // A guest that stands gives the same bytes each time, also when they went through a file.
        _folder.Save(_folder.Restore("ours"), "again");
        Assert.Equal(File.ReadAllBytes(_folder["ours"]), File.ReadAllBytes(_folder["again"]));
        AssertGoesOn(options.Awaiting($"exec:cat {_folder["ours"]}"), counter);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Machines), MemberType = typeof(QemuRows))]
    public void Mapped_RAM_goes_both_ways(string binary, string machine)
    {
        if (!HasMappedRam(binary)) return;
        var options = new QemuOptions(binary) { Machine = machine, Program = Program };
        var (guest, counter) = Capture(options, $"file:{_folder["qemu"]}", "mapped-ram");
        var saved = _folder.Save(guest, "ours", GuestFileLayout.MappedRam);
        Assert.Equal(guest.Digest(), saved.Digest);
        _folder.Save(_folder.Restore("ours"), "again", GuestFileLayout.MappedRam);
        Assert.Equal(File.ReadAllBytes(_folder["ours"]), File.ReadAllBytes(_folder["again"]));
        AssertGoesOn(options.Awaiting(), counter, destination =>
        {
            destination.SetCapabilities("mapped-ram");
            destination.Execute("migrate-incoming", new { uri = $"file:{_folder["ours"]}" });
        });
        // What came mapped can go as a stream too.
        _folder.Save(guest, "stream");
        AssertGoesOn(options.Awaiting($"exec:cat {_folder["stream"]}"), counter);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Mapped_RAM_that_several_channels_wrote_is_restored(string binary)
    {
        if (!HasMappedRam(binary)) return;
        var options = new QemuOptions(binary) { Machine = "pc", Program = Program };
        var (guest, counter) = Capture(options, $"file:{_folder["qemu"]}", "mapped-ram", "multifd");
        var stream = StreamInspector.Read(_folder["qemu"]);
        Assert.Null(stream.Error);
        Assert.Equal(MigrationStreamKind.MappedRam, stream.Kind);
        var raw = _folder["raw"];
        Assert.Equal(0, BlockExtractor.Extract(_folder["qemu"], 0, "pc.ram", raw).MissingPages);
        var ram = Assert.Single(guest.Memory.Blocks, block => block.Name == "pc.ram");
        Assert.True(File.ReadAllBytes(raw).AsSpan().SequenceEqual(ram.Span(0, (int)ram.Length)));
        _folder.Save(guest, "ours");
        AssertGoesOn(options.Awaiting($"exec:cat {_folder["ours"]}"), counter);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_machine_that_marks_no_section_is_saved_as_it_came(string binary)
    {
        // The later QEMU has no machine that is so old, but can be told to write as one.
        var options = HasMappedRam(binary)
            ? new QemuOptions(binary) { Machine = "pc", Program = Program, Arguments = ["-global", "migration.send-section-footer=off", "-global", "migration.store-global-state=off"] }
            : new QemuOptions(binary) { Machine = "pc-i440fx-2.3", Program = Program };
        var (guest, counter) = Capture(options, $"exec:cat > {_folder["qemu"]}");
        Assert.False(guest.Machine!.HasFooters);
        _folder.Save(guest, "ours");
        _folder.Save(_folder.Restore("ours"), "again");
        Assert.Equal(File.ReadAllBytes(_folder["ours"]), File.ReadAllBytes(_folder["again"]));
        AssertGoesOn(options.Awaiting($"exec:cat {_folder["ours"]}"), counter);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Pairs), MemberType = typeof(QemuRows))]
    public void From_one_version_into_another(string binary, string other)
    {
        var options = new QemuOptions(binary) { Machine = "pc-i440fx-7.2", Program = Program };
        var (guest, counter) = Capture(options, $"exec:cat > {_folder["qemu"]}");
        Assert.Equal("pc-i440fx-7.2", guest.MachineType);
        _folder.Save(guest, "ours");
        AssertGoesOn((options with { Binary = other }).Awaiting($"exec:cat {_folder["ours"]}"), counter);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_guest_of_ours_loads_into_machine_none_when_it_is_saved_for_it(string binary)
    {
        using var rig = new Rig(TestGuests.Options());
        _folder.Save(rig.Guest, "ram", format: GuestFileFormat.Qemu);
        var held = _folder.Restore("ram");
        using (var qemu = new QemuMachine(new QemuOptions(binary) { Megabytes = 16 }.Awaiting($"exec:cat {_folder["ram"]}")))
        {
            qemu.WaitForMigration();
            Assert.Equal("paused", qemu.RunState);
            Assert.Empty(RamImage.Differences(qemu.Memory(), Bytes(held)));
        }
        if (!HasMappedRam(binary)) return;
        _folder.Save(held, "mapped", GuestFileLayout.MappedRam);
        using var mapped = new QemuMachine(new QemuOptions(binary) { Megabytes = 16 }.Awaiting());
        mapped.SetCapabilities("mapped-ram");
        mapped.Execute("migrate-incoming", new { uri = $"file:{_folder["mapped"]}" });
        mapped.WaitForMigration();
        Assert.Empty(RamImage.Differences(mapped.Memory(), Bytes(held)));
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_guest_with_vCPUs_of_ours_is_refused_by_a_QEMU(string binary)
    {
        using var rig = new Rig(TestGuests.Options());
        _folder.Save(rig.Guest, "whole");
        using var qemu = new QemuMachine(new QemuOptions(binary) { Megabytes = 16 }.Awaiting());
        qemu.Execute("migrate-incoming", new { uri = $"exec:cat {_folder["whole"]}" });
        Assert.Equal(1, qemu.WaitForExit());
        Assert.Contains("psmigrate/guest", qemu.Errors, StringComparison.Ordinal);
    }

    /// <summary>A guest that ran is migrated to a file by its QEMU, and restored here.</summary>
    (MemoryGuest Guest, long Counter) Capture(QemuOptions options, string uri, params string[] capabilities)
    {
        using var source = new QemuMachine(options);
        source.SetCapabilities(["events", .. capabilities]);
        source.WaitForCounter();
        source.EnsureConverge();
        source.Migrate(uri);
        source.WaitForMigration();
        var guest = _folder.Restore("qemu");
        var counter = source.PhysicalCounter();
        var ram = guest.Memory.Find(options.RamBlock)!;
        Program.AssertConsistent(ram.Span(0, (int)ram.Length));
        Assert.Equal(counter, WalkingGuest.Counter(ram.Span(WalkingGuest.StateAddress, WalkingGuest.StateSize)));
        return (guest, counter);
    }

    static void AssertGoesOn(QemuOptions options, long since, Action<QemuMachine>? load = null)
    {
        using var destination = new QemuMachine(options);
        load?.Invoke(destination);
        destination.WaitForMigration();
        Poll.Until(() => destination.RunState == "running", "the guest runs again");
        Assert.True(destination.PhysicalCounter() >= since, "The guest went back in time.");
        destination.WaitForCounter(2 * Program.Pages);
        destination.Stop();
        Program.AssertConsistent(destination.Memory());
    }

    static bool HasMappedRam(string binary)
    {
        using var qemu = new QemuMachine(binary, 16);
        return qemu.Qmp.QemuVersion.Major >= 9;
    }

    static ReadOnlySpan<byte> Bytes(MemoryGuest guest) => guest.Memory.Ram.Span(0, (int)guest.MemorySize);

    public void Dispose() => _folder.Dispose();
}
