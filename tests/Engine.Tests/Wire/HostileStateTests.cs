using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>vCPU and device state that would make a guest write where it must not, or fail later.</summary>
public sealed class HostileStateTests
{
    // RecordedStream.Upto announces 64 KiB: sixteen pages.
    [Theory]
    [InlineData("workload", 200UL)]
    [InlineData("content", 99UL)]
    [InlineData("first_page", 16UL)]
    [InlineData("first_page", ulong.MaxValue)]
    [InlineData("page_count", 0UL)]
    [InlineData("page_count", 17UL)]
    [InlineData("page_count", (ulong)long.MaxValue)]
    [InlineData("page_count", ulong.MaxValue)]
    [InlineData("write_size", 0UL)]
    [InlineData("write_size", 12UL)]
    [InlineData("write_size", 4104UL)]
    [InlineData("write_size", 0xFFFFFFF8UL)]
    [InlineData("ticks_per_second_bits", 0x7FF0000000000000UL)]
    [InlineData("ticks_per_second_bits", 0x7FF8000000000000UL)]
    [InlineData("ticks_per_second_bits", 0xBFF0000000000000UL)]
    [InlineData("ticks_per_second_bits", 0x7FE0000000000000UL)]
    [InlineData("cursor", 8UL)]
    [InlineData("cursor", ulong.MaxValue)]
    public void A_vCPU_register_that_can_not_be(string field, ulong value) => Refused.After(StreamStep.RamEnd, MigrationErrorId.InvalidValue, wire =>
    {
        new SectionHeader(50, "psmigrate/cpu", 0, 1).WriteNamed(wire, RecordType.SectionFull);
        WriteCpu(wire, field, value);
    });

    [Fact]
    public void The_vCPU_of_these_tests_is_accepted_as_it_is() => Refused.After(StreamStep.RamEnd, MigrationErrorId.UnexpectedEnd, wire =>
    {
        new SectionHeader(50, "psmigrate/cpu", 0, 1).WriteNamed(wire, RecordType.SectionFull);
        WriteCpu(wire, "", 0);
    });

    [Theory]
    [InlineData("psmigrate/counter", ulong.MaxValue)]
    [InlineData("psmigrate/counter", 1UL << 63)]
    public void A_device_register_that_can_not_be(string device, ulong value) => Refused.After(StreamStep.Cpus, MigrationErrorId.InvalidValue, wire =>
    {
        new SectionHeader(50, device, 0, 1).WriteNamed(wire, RecordType.SectionFull);
        wire.UInt64(value);
        wire.Byte((byte)RecordType.Footer);
    });

    [Fact]
    public void A_clock_of_584_years_is_kept_without_overflow()
    {
        var timer = new TimerDevice();
        timer.Description.Fields[0].Set(ulong.MaxValue);
        timer.CheckLoaded();
        Assert.Equal(TimeSpan.FromTicks((long)(ulong.MaxValue / 100)), timer.Elapsed);
    }

    static void WriteCpu(WireWriter wire, string field, ulong value)
    {
        var fields = new CpuState(0, 16).Description.Fields;
        foreach (var one in fields)
            wire.Integer(one.Name == field ? value : one.Name switch { "page_count" or "write_size" => 8, _ => 0 }, one.Size);
        wire.Byte((byte)RecordType.Footer);
        wire.UInt32(50);
    }
}
