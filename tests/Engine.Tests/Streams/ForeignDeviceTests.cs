using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Qemu;
using PsMigrate.Engine.Tests.Qemu.Machines;
using PsMigrate.Engine.VmState;

namespace PsMigrate.Engine.Tests.Streams;

/// <summary>Device sections of real machines: cut in two ways, found byte by byte, decoded.</summary>
public sealed class ForeignDeviceTests
{
    static readonly string[] Devices =
    [
        "-smp", "2", "-vga", "std", "-device", "virtio-net-pci", "-device", "e1000", "-device", "qemu-xhci", "-device", "usb-tablet",
        "-device", "virtio-serial", "-device", "virtio-balloon", "-serial", "null",
    ];

    public static TheoryData<string, string, bool> Machines
    {
        get
        {
            var rows = new TheoryData<string, string, bool>();
            foreach (var binary in QemuBinaries.All.DefaultIfEmpty("none"))
                foreach (var (machine, hasDevices) in new[] { ("none", false), ("pc", false), ("q35", false), ("pc", true), ("q35", true) })
                    rows.Add(binary, machine, hasDevices);
            return rows;
        }
    }

    [QemuTheory]
    [MemberData(nameof(Machines))]
    public void Sections_are_cut_by_the_description_and_by_footers_alike(string binary, string machine, bool hasDevices)
    {
        using var capture = new Capture(binary, machine, hasDevices ? Devices : null);
        var (tail, description, length) = Capture.Cut(capture.Bytes);
        var sections = tail.AsSpan(0, length);
        var records = SectionCutter.ByDescription(sections, description);
        var byFooters = SectionCutter.ByFooters(sections, out var taken);

        Assert.Equal(length, taken);
        Assert.Equal(description.Devices.Length, records.Length);
        Assert.Equal(records.Length, byFooters.Length);
        foreach (var (one, other) in records.Zip(byFooters))
        {
            Assert.Equal((one.Id, one.Name, one.Instance, one.Version, one.Offset, one.Length),
                (other.Id, other.Name, other.Instance, other.Version, other.Offset, other.Length));
            Assert.Equal(one.Body, other.Body);
        }
        // Nothing is left out between them.
        Assert.Equal(length, records.Sum(record => record.Length));
        AssertDecoded(records, description, capture.Eip);
        AssertFoundInPieces(tail, length, records.Length);
    }

    static void AssertDecoded(DeviceRecord[] records, DescribedMachine description, ulong eip)
    {
        var states = records.Zip(description.Devices, (record, device) => (record.Name, State: FieldDecoder.Decode(record, device)))
            .ToList();
        foreach (var ((_, state), device) in states.Zip(description.Devices)) Assert.Equal(device.BodySize, Size(state));
        var globalState = states.Single(state => state.Name == "globalstate").State;
        Assert.Equal("\"paused\"", globalState["runstate"]!.Text);
        Assert.Equal(7u, globalState["size"]!.Value);
        var timer = states.Single(state => state.Name == "timer").State;
        Assert.IsType<long>(timer["cpu_clock_offset"]!.Value);
        if (eip == 0) return;
        var cpu = states.First(state => state.Name == "cpu").State;
        Assert.Equal(eip, cpu["env.eip"]!.Value);
        Assert.Equal(16, Assert.IsType<ulong[]>(cpu["env.regs"]!.Value).Length);
        Assert.Equal(8, Assert.IsType<DecodedState[]>(cpu["env.fpregs"]!.Value).Length);
        Assert.Contains(cpu.Subsections, subsection => subsection.Name.StartsWith("cpu/", StringComparison.Ordinal));
    }

    static long Size(DecodedState state) =>
        state.Fields.Sum(field => field.Size) + state.Subsections.Sum(subsection => 2 + subsection.Name.Length + 4 + Size(subsection));

    static void AssertFoundInPieces(byte[] tail, int length, int count)
    {
        foreach (var piece in new[] { 1, 7, 4096, int.MaxValue })
        {
            var finder = new DeviceTail();
            byte[] withMore = [.. tail, 8, 0x50, 1, 0, 0];
            var at = 0;
            while (!finder.IsComplete) at += finder.Append(withMore.AsSpan(at, Math.Min(piece, withMore.Length - at)));
            Assert.Equal(tail.Length, at);
            Assert.Equal(length, finder.Sections.Length);
            Assert.Equal(tail.Length - length - 6, finder.Description.Length);
            Assert.Equal(count, finder.Cut().Length);
        }
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Sections_without_a_description_end_with_the_link(string binary)
    {
        using var capture = new Capture(binary, "pc,suppress-vmdesc=on");
        var stream = capture.Bytes;
        var first = stream.AsSpan().IndexOf((byte[])[5, .. "timer"u8, 0, 0, 0, 0]) - 5;
        var finder = new DeviceTail();
        for (var at = first; at < stream.Length - 1; at++)
        {
            finder.Append(stream.AsSpan(at, 1));
            if (at % 997 == 0) Assert.False(finder.TryEndWithoutDescription(), $"Ends at {at}.");
        }
        finder.Append(stream.AsSpan(stream.Length - 1));
        Assert.False(finder.IsComplete);
        Assert.True(finder.TryEndWithoutDescription());
        var records = finder.Cut();
        Assert.True(records.Length > 25, $"{records.Length} sections.");
        Assert.Equal("globalstate", records[^1].Name);
        Assert.True(finder.Description.IsEmpty);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Old_machines_without_footers_are_cut_by_the_description(string binary)
    {
        // What machines up to 2.3 set for themselves; newer QEMUs have none of these machines any more.
        using var capture = new Capture(binary, "pc", ["-global", "migration.send-section-footer=off"]);
        var (tail, description, length) = Capture.Cut(capture.Bytes);
        var finder = new DeviceTail(hasFooters: false);
        Assert.Equal(tail.Length, finder.Append(tail));
        var records = finder.Cut();
        Assert.Equal(description.Devices.Length, records.Length);
        Assert.Equal(length, records.Sum(record => record.Length));
        var error = Assert.Throws<MigrationException>(() => SectionCutter.ByDescription(tail.AsSpan(0, length), description));
        Assert.Equal(MigrationErrorId.WrongFooter, error.Id);
    }
}
