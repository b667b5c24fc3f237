using PsMigrate.Engine.Model;
using PsMigrate.Engine.Streams;
using PsMigrate.Engine.Tests.Qemu;
using PsMigrate.Engine.Tests.Qemu.Machines;

namespace PsMigrate.Engine.Tests.Streams;

/// <summary>Streams of real QEMUs, by file and by command: the figures are those that QEMU itself gives.</summary>
public sealed class StreamInspectorTests
{
    /// <summary>Machine, uri, capability or none, offset.</summary>
    static readonly (string Machine, string Uri, string? Capability, long Offset)[] Kinds =
    [
        ("none", "exec:cat>{0}", null, 0),
        ("pc", "exec:cat>{0}", null, 0),
        ("q35", "exec:cat>{0}", null, 0),
        ("pc", "file:{0}", null, 0),
        ("pc", "file:{0},offset=0x3000", null, 0x3000),
        ("pc", "file:{0}", "mapped-ram", 0),
        ("q35", "file:{0},offset=0x200000", "mapped-ram", 0x200000),
    ];

    public static TheoryData<string, string, string, string?, long> Captures
    {
        get
        {
            var rows = new TheoryData<string, string, string, string?, long>();
            foreach (var binary in QemuBinaries.All.DefaultIfEmpty("none"))
                foreach (var kind in Kinds.Where(kind => kind.Uri.StartsWith("exec", StringComparison.Ordinal) || HasFile(binary)))
                    rows.Add(binary, kind.Machine, kind.Uri, kind.Capability, kind.Offset);
            return rows;
        }
    }

    [QemuTheory]
    [MemberData(nameof(Captures))]
    public void Figures_are_those_of_query_migrate(string binary, string machine, string uri, string? capability, long offset)
    {
        using var capture = new Capture(binary, machine, uri: uri, capabilities: capability is null ? null : [capability]);
        var stream = StreamInspector.Read(capture.Path, offset);

        Assert.Null(stream.Error);
        Assert.True(stream.HasEof);
        Assert.Equal(0, stream.TrailingBytes);
        Assert.Equal(new FileInfo(capture.Path).Length - offset, stream.Length);
        Assert.Equal(capture.Ram.GetProperty("normal").GetInt64(), stream.NormalPages);
        Assert.Equal(capture.Ram.GetProperty("duplicate").GetInt64(), stream.ZeroPages);
        Assert.Equal(capture.Ram.GetProperty("total").GetInt64(), stream.RamSize);
        Assert.Equal(0, stream.XbzrlePages + stream.CompressedPages);
        Assert.Equal((3u, capability is null ? MigrationStreamKind.Precopy : MigrationStreamKind.MappedRam), (stream.Version, stream.Kind));
        Assert.StartsWith(machine == "none" ? "none" : "pc-", stream.Machine, StringComparison.Ordinal);
        Assert.Equal(capability is null ? [] : [capability], stream.Configuration!.Capabilities);
        // The guest stood: every page once.
        Assert.Equal(stream.RamSize / 4096, Assert.Single(stream.Passes).Pages);
        Assert.Equal("paused", stream.Devices.Single(device => device.Name == "globalstate")["runstate"]!.Text.Trim('"'));
        if (machine != "none") Assert.Equal(capture.Eip, stream.Devices.Single(device => device.Name == "cpu")["env.eip"]!.Value);
        AssertSections(stream, new FileInfo(capture.Path).Length);
        AssertBlock(capture, stream, machine == "none" ? "ram" : "pc.ram");
    }

    static void AssertSections(MigrationStream stream, long length)
    {
        Assert.Equal(stream.SectionCount, stream.Sections.Length);
        Assert.Equal(StreamSectionType.Start, stream.Sections[0].Type);
        Assert.Equal(StreamSectionType.End, stream.Sections.Last(section => section.Name == "ram").Type);
        Assert.Equal(stream.Devices.Length, stream.Sections.Count(section => section.Type == StreamSectionType.Full));
        // Without a gap from the first section to EOF, except for commands.
        for (var i = 1; i < stream.Sections.Length; i++)
        {
            var end = stream.Sections[i - 1].Offset + stream.Sections[i - 1].Length;
            var between = stream.Commands.Where(command => command.Offset >= end && command.Offset < stream.Sections[i].Offset);
            Assert.Equal(stream.Sections[i].Offset, end + between.Sum(command => 5 + command.Payload.Length));
        }
        var last = stream.Sections[^1];
        Assert.Equal(length, last.Offset + last.Length + 1 + 1 + 4 + System.Text.Encoding.UTF8.GetByteCount(stream.Description!));
    }

    /// <summary>The block as a file is the memory that QEMU gives, where no ROM hides it.</summary>
    static void AssertBlock(Capture capture, MigrationStream stream, string block)
    {
        const int RomStart = 0xC0000;
        const int RomEnd = 0x100000;
        var file = capture.Path + ".raw";
        var extracted = BlockExtractor.Extract(capture.Path, stream.Offset, block, file);
        Assert.Equal((stream.Blocks.Single(one => one.Name == block).Length, 0L), (extracted.Length, extracted.MissingPages));
        var raw = File.ReadAllBytes(file);
        Assert.Equal(extracted.Length, raw.Length);
        if (capture.Memory.Length == 0) return;
        Assert.Equal(capture.Memory.Length, raw.Length);
        Assert.Contains(capture.Memory.AsSpan(0, RomStart).ToArray(), one => one != 0);
        Assert.True(capture.Memory.AsSpan(0, 0xA0000).SequenceEqual(raw.AsSpan(0, 0xA0000)), "Low memory differs.");
        Assert.True(capture.Memory.AsSpan(RomEnd).SequenceEqual(raw.AsSpan(RomEnd)), "High memory differs.");
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void A_uuid_that_is_to_be_checked_is_in_the_configuration(string binary)
    {
        var uuid = Guid.NewGuid();
        using var capture = new Capture(binary, "none", ["-uuid", uuid.ToString()], capabilities: ["validate-uuid"]);
        var stream = StreamInspector.Read(capture.Path);
        Assert.Null(stream.Error);
        Assert.Equal(uuid, stream.Configuration!.Uuid);
    }

    [QemuTheory]
    [MemberData(nameof(QemuRows.Binaries), MemberType = typeof(QemuRows))]
    public void Machines_without_footers_or_without_a_description_are_read(string binary)
    {
        using var old = new Capture(binary, "pc", ["-global", "migration.send-section-footer=off"]);
        var stream = StreamInspector.Read(old.Path);
        Assert.Null(stream.Error);
        Assert.Equal(old.Eip, stream.Devices.Single(device => device.Name == "cpu")["env.eip"]!.Value);

        using var silent = new Capture(binary, "pc,suppress-vmdesc=on");
        var undescribed = StreamInspector.Read(silent.Path);
        Assert.Null(undescribed.Error);
        Assert.Null(undescribed.Description);
        Assert.Equal(stream.Devices.Select(device => device.Name), undescribed.Devices.Select(device => device.Name));
        Assert.All(undescribed.Devices, device => Assert.Empty(device.Fields));
    }

    /// <summary>file: came with 8.2.</summary>
    static bool HasFile(string binary)
    {
        if (binary == "none") return true;
        using var qemu = new QemuMachine(binary, 16);
        return qemu.Qmp.QemuVersion.Major >= 9;
    }
}
