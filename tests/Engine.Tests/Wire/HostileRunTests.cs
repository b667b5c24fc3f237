using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>Runs of pages that a receiver must refuse before they touch anything.</summary>
public sealed class HostileRunTests
{
    // RecordedStream.Upto sends a guest of 64 KiB: 16 pages.
    const ulong Size = 64 << 10;

    static readonly ulong[] Runs = [RamFlags.Run, RamFlags.Run | RamFlags.Zero];

    public static TheoryData<ulong> Kinds => [.. Runs];

    [Theory]
    [InlineData(0, 17)]
    [InlineData(1, 16)]
    [InlineData(15, 2)]
    [InlineData(15, RamFlags.MaxRun)]
    public void A_run_that_leaves_its_block(ulong page, uint count)
    {
        foreach (var kind in Runs) Part(MigrationErrorId.OffsetOutOfRange, wire => Run(wire, (page * GuestMemory.PageSize) | kind, count));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(RamFlags.MaxRun + 1)]
    [InlineData(int.MaxValue)]
    [InlineData(uint.MaxValue)]
    public void A_run_of_a_count_that_can_not_be(uint count)
    {
        foreach (var kind in Runs) Part(MigrationErrorId.InvalidLength, wire => Run(wire, kind, count));
    }

    [Theory]
    [InlineData(Size)]
    [InlineData(0x0FFFFFFFFFFFF000UL)]
    [InlineData(0xFFFFFFFFFFFFF000UL)]
    public void A_run_past_its_block(ulong offset)
    {
        foreach (var kind in (ulong[])[.. Runs, RamFlags.Run | RamFlags.Xbzrle])
            Part(MigrationErrorId.OffsetOutOfRange, wire => Run(wire, offset | kind, 1));
    }

    [Fact]
    public void A_run_of_an_unknown_block()
    {
        foreach (var kind in (ulong[])[.. Runs, RamFlags.Run | RamFlags.Xbzrle])
            Part(MigrationErrorId.UnknownBlock, wire =>
            {
                wire.UInt64(kind);
                wire.Name("rom");
            });
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_run_before_the_list_of_blocks(ulong kind) => Refused.After(StreamStep.Announcement, MigrationErrorId.OutOfOrder, wire =>
    {
        new SectionHeader(1, "ram", 0, 4).WriteNamed(wire, RecordType.SectionStart);
        Run(wire, kind, 1);
    });

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_run_that_goes_on_with_no_block(ulong kind) => Refused.After(StreamStep.RamStart, MigrationErrorId.OutOfOrder, wire =>
    {
        wire.Byte((byte)RecordType.SectionPart);
        wire.UInt32(1);
        Run(wire, kind, 1);
    });

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(GuestMemory.PageSize)]
    [InlineData((2 * GuestMemory.PageSize) - 1)]
    public void A_run_that_ends_early(int bytes) => Part(MigrationErrorId.UnexpectedEnd, wire =>
    {
        Run(wire, RamFlags.Run, 2);
        wire.Bytes(new byte[bytes]);
    });

    [Theory]
    [InlineData(4097, MigrationErrorId.InvalidLength)]
    [InlineData(ushort.MaxValue, MigrationErrorId.InvalidLength)]
    [InlineData(2, MigrationErrorId.InvalidValue)]
    public void A_sparse_page_that_is_malformed(int length, MigrationErrorId expected) => Part(expected, wire =>
    {
        wire.UInt64(RamFlags.Run | RamFlags.Xbzrle | RamFlags.Continue);
        wire.UInt16((ushort)length);
        // One byte that stays, and none that does not.
        wire.Bytes([1, 0]);
        wire.Bytes(new byte[ushort.MaxValue]);
    });

    [Theory]
    [InlineData(0x50534D01u)]
    [InlineData(0x50534D00u)]
    public void Runs_of_a_source_that_has_said_it_knows_none(uint ping)
    {
        foreach (var kind in Runs)
            foreach (var isAnnounced in new[] { true, false })
                AssertRefused(RamFlags.Run | (kind & RamFlags.Zero), ping, isAnnounced);
        AssertRefused(RamFlags.Run | RamFlags.Xbzrle, ping, isAnnounced: true);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Runs_in_the_stream_of_a_machine_that_nobody_announced(ulong kind) => AssertRefused(kind, Handshake.ExtensionPing, isAnnounced: false);

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Runs_of_a_QEMU(ulong kind) => AssertRefused(kind, null, isAnnounced: false);

    /// <summary>A stream that is right but for one record.</summary>
    static void AssertRefused(ulong kind, uint? ping, bool isAnnounced)
    {
        var guest = RecordedStream.SmallGuest((long)Size);
        var bytes = new BytesWriter();
        var stream = new StreamBuilder(guest, bytes, Guid.NewGuid()) { ExtensionPing = ping ?? 0 };
        if (ping is null) stream.Without(StreamStep.ExtensionPing);
        if (!isAnnounced) stream.Without(StreamStep.Announcement);
        stream.UpTo(StreamStep.RamPart);
        stream.Wire.Byte((byte)RecordType.SectionPart);
        stream.Wire.UInt32(1);
        Run(stream.Wire, kind, 1);
        guest.Remove();
        var (migration, _) = Incoming.Run(bytes.Written);
        Assert.Equal(MigrationStatus.Failed, migration.Status);
        Assert.Equal(MigrationErrorId.InvalidValue, migration.Error!.Id);
        Assert.Contains("RAM record 0x", migration.Error.Message, StringComparison.Ordinal);
    }

    static void Run(WireWriter wire, ulong word, uint count)
    {
        wire.UInt64(word | RamFlags.Continue);
        wire.UInt32(count);
    }

    static void Part(MigrationErrorId expected, Action<WireWriter> records) => Refused.After(StreamStep.RamPart, expected, wire =>
    {
        wire.Byte((byte)RecordType.SectionPart);
        wire.UInt32(1);
        records(wire);
    });
}
