using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>Sections, footers and device state that a receiver must refuse.</summary>
public sealed class HostileSectionTests
{
    [Theory]
    [InlineData("nonsense", 0u)]
    [InlineData("", 0u)]
    [InlineData("0000:00:01.1/ide", 0u)]
    [InlineData("psmigrate/counter", 1u)]
    [InlineData("psmigrate/cpu", 1u)]
    [InlineData("psmigrate/cpu", 0xFFFFFFFFu)]
    [InlineData("psmigrate/guest", 1u)]
    [InlineData("globalstate", 1u)]
    public void Unknown_section(string name, uint instance) =>
        Refused.After(StreamStep.RamEnd, MigrationErrorId.UnknownSection, wire => Full(wire, name, instance, 1));

    [Fact]
    public void A_name_of_255_bytes_of_rubbish() => Refused.After(StreamStep.RamEnd, MigrationErrorId.InvalidValue, wire =>
    {
        wire.Byte((byte)RecordType.SectionFull);
        wire.UInt32(9);
        wire.Byte(255);
        wire.Bytes([.. Enumerable.Repeat((byte)0xC3, 255)]);
        wire.UInt32(0);
        wire.UInt32(1);
    });

    [Theory]
    [InlineData("psmigrate/cpu", 2u)]
    [InlineData("psmigrate/timer", 0u)]
    [InlineData("psmigrate/counter", 7u)]
    [InlineData("globalstate", 2u)]
    public void A_version_that_is_not_known(string name, uint version) =>
        Refused.After(StreamStep.RamEnd, MigrationErrorId.UnsupportedSectionVersion, wire => Full(wire, name, 0, version));

    [Theory]
    [InlineData(3u)]
    [InlineData(5u)]
    public void A_ram_version_that_is_not_4(uint version) => Refused.After(StreamStep.Announcement, MigrationErrorId.UnsupportedSectionVersion,
        wire => new SectionHeader(1, "ram", 0, version).WriteNamed(wire, RecordType.SectionStart));

    [Theory]
    [InlineData("dirty-bitmap", MigrationErrorId.UnsupportedFeature)]
    [InlineData("block", MigrationErrorId.UnsupportedFeature)]
    [InlineData("0000:00:05.0/vfio", MigrationErrorId.UnsupportedFeature)]
    [InlineData("nonsense", MigrationErrorId.UnknownSection)]
    public void A_live_section_other_than_ram(string name, MigrationErrorId expected) => Refused.After(StreamStep.Announcement, expected,
        wire => new SectionHeader(1, name, 0, 1).WriteNamed(wire, RecordType.SectionStart));

    [Fact]
    public void Ram_of_another_instance() => Refused.After(StreamStep.Announcement, MigrationErrorId.UnknownSection, wire =>
    {
        new SectionHeader(1, "ram", 7, 4).WriteNamed(wire, RecordType.SectionStart);
        wire.UInt64(RamFlags.Eos);
    });

    [Fact]
    public void Ram_as_a_full_section() => Refused.After(StreamStep.Announcement, MigrationErrorId.UnknownSection,
        wire => new SectionHeader(1, "ram", 0, 4).WriteNamed(wire, RecordType.SectionFull));

    [Fact]
    public void A_part_of_a_section_that_was_never_started() => Refused.After(StreamStep.RamStart, MigrationErrorId.UnknownSection, wire =>
    {
        wire.Byte((byte)RecordType.SectionPart);
        wire.UInt32(77);
    });

    [Fact]
    public void A_part_before_any_start() => Refused.After(StreamStep.Announcement, MigrationErrorId.UnknownSection, wire =>
    {
        wire.Byte((byte)RecordType.SectionEnd);
        wire.UInt32(1);
    });

    [Fact]
    public void A_footer_of_another_section() => Refused.After(StreamStep.RamEnd, MigrationErrorId.WrongFooter, wire =>
    {
        Full(wire, "psmigrate/timer", 0, 1);
        wire.UInt64(1000);
        wire.Byte((byte)RecordType.Footer);
        wire.UInt32(1234);
    });

    [Fact]
    public void No_footer() => Refused.After(StreamStep.RamEnd, MigrationErrorId.WrongFooter, wire =>
    {
        Full(wire, "psmigrate/timer", 0, 1);
        wire.UInt64(1000);
        wire.Byte((byte)RecordType.Eof);
    });

    [Fact]
    public void The_same_section_twice() => Refused.After(StreamStep.GlobalState, MigrationErrorId.OutOfOrder, wire => Full(wire, "psmigrate/timer", 0, 1));

    [Theory]
    [InlineData("psmigrate/counter/nonsense", 1u, MigrationErrorId.UnknownSection)]
    [InlineData("psmigrate/counter/resumes", 9u, MigrationErrorId.UnsupportedSectionVersion)]
    public void A_subsection_that_is_not_known(string name, uint version, MigrationErrorId expected) => Refused.After(StreamStep.Cpus, expected, wire =>
    {
        Full(wire, "psmigrate/counter", 0, 1);
        wire.UInt64(0);
        wire.Byte((byte)RecordType.Subsection);
        wire.Name(name);
        wire.UInt32(version);
        wire.UInt64(1);
    });

    [Fact]
    public void A_subsection_that_repeats_for_ever() => Refused.After(StreamStep.Cpus, MigrationErrorId.UnknownSection, wire =>
    {
        Full(wire, "psmigrate/counter", 0, 1);
        wire.UInt64(0);
        for (var i = 0; i < 2; i++)
        {
            wire.Byte((byte)RecordType.Subsection);
            wire.Name("psmigrate/counter/resumes");
            wire.UInt32(1);
            wire.UInt64(1);
        }
    });

    [Fact]
    public void EOF_before_the_end_of_ram() => Refused.After(StreamStep.RamPart, MigrationErrorId.OutOfOrder, wire => wire.Byte((byte)RecordType.Eof));

    [Theory]
    [InlineData(StreamStep.RamEnd)]
    [InlineData(StreamStep.Cpus)]
    public void EOF_before_vCPUs_and_devices(object last) =>
        Refused.After((StreamStep)last, MigrationErrorId.OutOfOrder, wire => wire.Byte((byte)RecordType.Eof));

    [Fact]
    public void Something_else_where_the_description_belongs() =>
        Refused.After(StreamStep.Eof, MigrationErrorId.UnknownRecord, wire => wire.Byte((byte)RecordType.Eof));

    [Theory]
    [InlineData((4u << 20) + 1)]
    [InlineData(0xFFFFFFFFu)]
    public void A_description_that_is_too_long(uint length) => Refused.After(StreamStep.Eof, MigrationErrorId.InvalidLength, wire =>
    {
        wire.Byte((byte)RecordType.VmDescription);
        wire.UInt32(length);
    });

    [Theory]
    [InlineData(0u)]
    [InlineData(33u)]
    [InlineData(0xFFFFFFFFu)]
    public void A_run_state_of_a_wrong_length(uint size) => Refused.After(StreamStep.Devices, MigrationErrorId.InvalidLength, wire =>
    {
        Full(wire, "globalstate", 0, 1);
        wire.UInt32(size);
        wire.Bytes(new byte[100]);
    });

    static void Full(WireWriter wire, string name, uint instance, uint version) =>
        new SectionHeader(99, name, instance, version).WriteNamed(wire, RecordType.SectionFull);
}
