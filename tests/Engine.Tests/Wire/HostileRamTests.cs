using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>RAM records that a receiver must refuse before they touch anything.</summary>
public sealed class HostileRamTests
{
    // RecordedStream.Upto sends a guest of 64 KiB.
    const ulong Size = 64 << 10;

    [Theory]
    [InlineData(Size)]
    [InlineData(Size + 0x1000)]
    [InlineData(0x0FFFFFFFFFFFF000UL)]
    [InlineData(0xFFFFFFFFFFFFF000UL)]
    public void A_page_past_its_block(ulong offset)
    {
        foreach (var flag in new[] { RamFlags.Page, RamFlags.Zero, RamFlags.Xbzrle })
            foreach (var goesOn in new[] { false, true })
                Part(MigrationErrorId.OffsetOutOfRange, wire =>
                {
                    wire.UInt64(offset | flag | (goesOn ? RamFlags.Continue : 0));
                    if (!goesOn) wire.Name("ram");
                    wire.Bytes(new byte[GuestMemory.PageSize]);
                });
    }

    [Theory]
    [InlineData("")]
    [InlineData("pc.ram")]
    [InlineData("RAM")]
    public void A_page_of_an_unknown_block(string name) => Part(MigrationErrorId.UnknownBlock, wire =>
    {
        wire.UInt64(RamFlags.Page);
        wire.Name(name);
        wire.Bytes(new byte[GuestMemory.PageSize]);
    });

    [Fact]
    public void A_page_that_goes_on_with_no_block() => Refused.After(StreamStep.RamStart, MigrationErrorId.OutOfOrder, wire =>
    {
        wire.Byte((byte)RecordType.SectionPart);
        wire.UInt32(1);
        wire.UInt64(RamFlags.Page | RamFlags.Continue);
    });

    [Fact]
    public void A_page_before_the_list_of_blocks() => Start(MigrationErrorId.OutOfOrder, wire =>
    {
        wire.UInt64(RamFlags.Zero);
        wire.Name("ram");
        wire.Byte(0);
    });

    [Fact]
    public void A_list_of_blocks_that_comes_twice() => Part(MigrationErrorId.OutOfOrder, wire => List(wire, Size, ("ram", Size)));

    [Fact]
    public void A_size_other_than_the_announced_one() => Start(MigrationErrorId.BlockSizeMismatch, wire => List(wire, Size * 2, ("ram", Size * 2)));

    [Fact]
    public void A_block_longer_than_the_total() => Start(MigrationErrorId.InvalidLength, wire => List(wire, Size, ("ram", Size + 0x1000)));

    [Fact]
    public void A_block_of_no_bytes() => Start(MigrationErrorId.InvalidLength, wire => List(wire, Size, ("ram", 0UL)));

    [Fact]
    public void A_block_that_is_not_ram() => Start(MigrationErrorId.UnknownBlock, wire => List(wire, Size, ("pc.ram", Size)));

    [Fact]
    public void The_same_block_twice() => Start(MigrationErrorId.InvalidValue, wire => List(wire, Size, ("ram", Size / 2), ("ram", Size / 2)));

    [Theory]
    [InlineData(0UL)]
    [InlineData(0xFFFFFFFFFFFFF000UL)]
    public void A_total_that_can_not_be(ulong total) => Start(MigrationErrorId.UnknownBlock, wire => List(wire, total));

    [Fact]
    public void More_blocks_than_any_machine_has() => Start(MigrationErrorId.InvalidLength, wire =>
        List(wire, 1 << 20, [.. Enumerable.Range(0, 5000).Select(i => ($"ram{i}", 1UL))]));

    [Theory]
    [InlineData(0x001UL)]
    [InlineData(0x00AUL)]
    [InlineData(0x018UL)]
    [InlineData(0x020UL)]
    [InlineData(0x800UL)]
    [InlineData(0x408UL)]
    [InlineData(0x442UL)]
    [InlineData(0xC00UL)]
    [InlineData(0x1010UL)]
    [InlineData(0x000UL)]
    [InlineData(0x030UL)]
    public void Flags_that_can_not_be(ulong word) => Part(MigrationErrorId.InvalidValue, wire => wire.UInt64(word));

    [Theory]
    [InlineData(0x080UL)]
    [InlineData(0x200UL)]
    public void Records_of_features_that_are_not_there(ulong flags) => Part(MigrationErrorId.UnsupportedFeature, wire => wire.UInt64(flags));

    [Fact]
    public void A_page_filled_with_something_else_than_zero() => Part(MigrationErrorId.InvalidValue, wire =>
    {
        wire.UInt64(RamFlags.Zero | RamFlags.Continue);
        wire.Byte(0xAA);
    });

    [Fact]
    public void A_difference_of_an_unknown_method() => Difference(MigrationErrorId.InvalidValue, 2, 3, [0, 1, 9]);

    [Fact]
    public void A_difference_longer_than_a_page() => Difference(MigrationErrorId.InvalidLength, 1, 4097, new byte[4097]);

    [Theory]
    [InlineData(new byte[] { 0 })]
    [InlineData(new byte[] { 5, 0 })]
    [InlineData(new byte[] { 0, 9, 1, 2 })]
    [InlineData(new byte[] { 0x80 })]
    [InlineData(new byte[] { 0x80, 0x80, 1, 1 })]
    [InlineData(new byte[] { 0xFF, 0x1F, 2, 1, 2 })]
    [InlineData(new byte[] { 0xFF, 0x7F, 1, 1 })]
    [InlineData(new byte[] { 0, 1, 1, 0, 1, 1 })]
    public void A_difference_that_is_malformed(byte[] encoded) => Difference(MigrationErrorId.InvalidValue, 1, encoded.Length, encoded);

    [Fact]
    public void Ram_after_its_end() => Refused.After(StreamStep.RamEnd, MigrationErrorId.OutOfOrder, wire =>
    {
        wire.Byte((byte)RecordType.SectionPart);
        wire.UInt32(1);
    });

    static void Difference(MigrationErrorId expected, byte method, int length, byte[] encoded) => Part(expected, wire =>
    {
        wire.UInt64(RamFlags.Xbzrle | RamFlags.Continue);
        wire.Byte(method);
        wire.UInt16((ushort)length);
        wire.Bytes(encoded);
    });

    static void Part(MigrationErrorId expected, Action<WireWriter> records) => Refused.After(StreamStep.RamPart, expected, wire =>
    {
        wire.Byte((byte)RecordType.SectionPart);
        wire.UInt32(1);
        records(wire);
    });

    static void Start(MigrationErrorId expected, Action<WireWriter> records) => Refused.After(StreamStep.Announcement, expected, wire =>
    {
        new SectionHeader(1, "ram", 0, 4).WriteNamed(wire, RecordType.SectionStart);
        records(wire);
        wire.UInt64(RamFlags.Eos);
    });

    static void List(WireWriter wire, ulong total, params ReadOnlySpan<(string Name, ulong Length)> blocks)
    {
        wire.UInt64(total | RamFlags.MemSize);
        foreach (var (name, length) in blocks)
        {
            wire.Name(name);
            wire.UInt64(length);
        }
    }
}
