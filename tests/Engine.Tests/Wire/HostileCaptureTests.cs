using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>Streams of foreign machines that a receiver must refuse, and those that end too early.</summary>
public sealed class HostileCaptureTests
{
    [Fact]
    public void Cut_at_and_inside_each_record_it_leaves_nothing()
    {
        var stream = ForeignStream.Precopy();
        var bytes = stream.Bytes;
        var random = new Random(5);
        // But for the description: a stream may end at its EOF.
        foreach (var (start, end) in stream.Boundaries.Zip(stream.Boundaries.Skip(1)))
        {
            if (start != stream.Boundaries[^2]) Refuses(MigrationErrorId.UnexpectedEnd, bytes[..(int)start]);
            if (end - start > 1) Refuses(MigrationErrorId.UnexpectedEnd, bytes[..(int)random.NextInt64(start + 1, end)]);
        }
    }

    [Fact]
    public void A_page_that_never_came() => Refuses(MigrationErrorId.IncompleteMemory,
        new ForeignStream().Header().Start().Pages(isLeftOut: (block, page) => block == "pc.bios" && page == 1).End().Devices().Eof().Description());

    [Fact]
    public void A_machine_of_no_blocks() => Refuses(MigrationErrorId.InvalidLength, Ram(RecordType.SectionStart, wire => wire.UInt64(RamFlags.MemSize)));

    [Theory]
    [InlineData("pc.ram", "pc.ram", MigrationErrorId.InvalidValue)]
    [InlineData("", "pc.ram", MigrationErrorId.InvalidValue)]
    public void Blocks_without_names_of_their_own(string first, string second, MigrationErrorId expected) => Refuses(expected, Ram(RecordType.SectionStart, wire =>
    {
        wire.UInt64(0x2000 | RamFlags.MemSize);
        foreach (var name in new[] { first, second })
        {
            wire.Name(name);
            wire.UInt64(0x1000);
        }
    }));

    [Theory]
    [InlineData(0x1800UL, MigrationErrorId.InvalidSize)]
    [InlineData(0x40000000UL, MigrationErrorId.MemoryExceeded)]
    [InlineData(0x7FFFFFFFFFFFE000UL, MigrationErrorId.MemoryExceeded)]
    public void Blocks_of_a_size_that_can_not_be_had(ulong length, MigrationErrorId expected) => Refuses(expected, Ram(RecordType.SectionStart, wire =>
    {
        wire.UInt64((length & ~0xFFFUL) + 0x1000 | RamFlags.MemSize);
        wire.Name("pc.ram");
        wire.UInt64(length);
        wire.Name("pc.bios");
        wire.UInt64((length & ~0xFFFUL) + 0x1000 - length);
    }));

    [Fact]
    public void A_difference_to_a_page_that_has_not_come()
    {
        var stream = new ForeignStream().Header().Start();
        Refuses(MigrationErrorId.OutOfOrder, stream.Ram(RecordType.SectionPart, () =>
        {
            stream.Word("pc.ram", 1, RamFlags.Xbzrle);
            stream.Wire.Bytes([1, 0, 3, 0, 1, 9]);
        }));
    }

    [Theory]
    [InlineData(0, MigrationErrorId.InvalidLength)]
    [InlineData(5000, MigrationErrorId.InvalidLength)]
    [InlineData(100, MigrationErrorId.InvalidValue)]
    public void A_compressed_page_that_is_none(int length, MigrationErrorId expected) => Compressed(expected, new byte[length]);

    [Theory]
    [InlineData(4095)]
    [InlineData(4097)]
    [InlineData(1 << 20)]
    public void A_compressed_page_of_another_size(int size)
    {
        var packed = new MemoryStream();
        using (var zlib = new System.IO.Compression.ZLibStream(packed, System.IO.Compression.CompressionMode.Compress, leaveOpen: true)) zlib.Write(new byte[size]);
        Compressed(MigrationErrorId.InvalidValue, packed.ToArray());
    }

    [Fact]
    public void A_section_of_ours_that_nobody_announced()
    {
        Refuses(MigrationErrorId.UnknownSection, new ForeignStream().Header().Start().Device("psmigrate/cpu", 0, 1));
        Refuses(MigrationErrorId.UnknownSection, new ForeignStream().Header().Start().Pages().End().Device("psmigrate/cpu", 0, 1).Eof().Description());
    }

    [Fact]
    public void A_section_before_RAM_that_has_no_end() =>
        Refuses(MigrationErrorId.InvalidLength, new ForeignStream().Header().Start().Device("virtio-mem-early", 0, new byte[5 << 20]).Pages().End().Eof().Description());

    [Fact]
    public void A_run_state_that_can_not_be() =>
        Refuses(MigrationErrorId.InvalidLength, new ForeignStream().Header().Start().Pages().End().Device("globalstate", 0, 1, 2, 3).Eof().Description());

    [Theory]
    [InlineData(0x3000UL, 0x1001UL)]
    [InlineData(0x10000UL, 0x1000UL)]
    [InlineData(0xFFFFFFFFFFFFF000UL, 0x2000UL)]
    [InlineData(0x1000UL, 0xFFFFFFFFFFFFF000UL)]
    public void A_discard_outside_its_block(ulong start, ulong length) => Refuses(MigrationErrorId.OffsetOutOfRange, Discard("pc.ram", start, length));

    [Fact]
    public void A_discard_of_an_unknown_block() => Refuses(MigrationErrorId.UnknownBlock, Discard("nonsense", 0, 0x1000));

    [Fact]
    public void Packages_that_can_not_be()
    {
        Refuses(MigrationErrorId.OutOfOrder, Advised().Package(package => package.Command(CommandType.PostcopyListen)));
        Refuses(MigrationErrorId.UnknownRecord, Advised().Package(package => package.Device("cpu", 0, 1)));
        Refuses(MigrationErrorId.OutOfOrder, Advised().Package(package => package.Command(CommandType.Packaged, 0, 0, 0, 9)));
        Refuses(MigrationErrorId.InvalidLength, Advised().Package(package => package.Command(CommandType.PostcopyListen).Wire.Bytes([8, 0, 2])));
        Refuses(MigrationErrorId.InvalidLength, Advised().Command(CommandType.Packaged, 0x02, 0, 0, 1));
        Refuses(MigrationErrorId.OutOfOrder, Advised().Command(CommandType.PostcopyListen));
        Refuses(MigrationErrorId.UnexpectedEnd, Advised().Command(CommandType.Packaged, 0x01, 0, 0, 0));
    }

    [Fact]
    public void A_postcopy_that_ends_with_pages_missing()
    {
        var stream = Discard("pc.ram", 0, 0x2000)
            .Package(package => package.Command(CommandType.PostcopyListen).Device("cpu", 0, 1).Command(CommandType.PostcopyRun)).End().Eof();
        Refuses(MigrationErrorId.IncompleteMemory, stream);
        // Its source does not run it any more.
        Assert.Equal(GuestLocation.InDoubt, Incoming.Run(stream.Bytes).Migration.Error!.Location);
        Assert.Null(Incoming.Run(Advised().Bytes).Migration.Error!.Location);
    }

    [Fact]
    public void A_package_of_more_sections_than_any_machine_has()
    {
        // A command between them: each is a piece of its own, and was once paid for by all before it.
        var stream = Advised().Package(package =>
        {
            package.Command(CommandType.PostcopyListen);
            for (var i = 0; i <= Engine.VmState.SectionCutter.MaxSections; i++) package.Device("d", (uint)i).Command(CommandType.SwitchoverStart);
        });
        Patience.Within(() => { Refuses(MigrationErrorId.InvalidLength, stream); return true; }, "the end of the package");
    }

    [Fact]
    public void Names_that_are_no_text_could_not_be_sent_on() => Refuses(MigrationErrorId.InvalidValue, Ram(RecordType.SectionStart, wire =>
    {
        wire.UInt64(0x1000 | RamFlags.MemSize);
        wire.Bytes([255, .. Enumerable.Repeat((byte)0xFF, 255)]);
        wire.UInt64(0x1000);
    }));

    [Theory]
    [InlineData(0)]
    [InlineData(1500)]
    public void Mutated_streams_leave_nothing(int first)
    {
        var stream = ForeignStream.Precopy();
        var recorded = new RecordedStream(stream.Bytes, stream.Boundaries, "", [], "", Guid.Empty);
        for (var seed = first; seed < first + 1500; seed++)
        {
            var policy = Incoming.Policy($"bent-{seed}");
            var bytes = new Mutator(seed).Mutate(recorded);
            var (migration, link) = Patience.Within(() => Incoming.Run(bytes, policy), $"the end of stream {seed}");
            Assert.True(link.IsDisposed);
            Assert.True(migration.Error?.Id != MigrationErrorId.InternalError, $"Seed {seed}: {migration.Error}");
            Assert.Equal(migration.Status == MigrationStatus.Completed ? 1 : 0, TestGuests.On(policy.HostName).Count);
            TestGuests.RemoveAll(policy.HostName);
        }
    }

    static ForeignStream Advised() => new ForeignStream().Header().ReturnPath().Advise().Start().Pages();

    static ForeignStream Discard(string block, ulong start, ulong length)
    {
        var wire = new BytesWriter();
        var payload = new WireWriter(wire);
        payload.Byte(0);
        payload.Name(block);
        payload.Byte(0);
        payload.UInt64(start);
        payload.UInt64(length);
        return Advised().Command(CommandType.PostcopyRamDiscard, wire.Written);
    }

    static void Compressed(MigrationErrorId expected, byte[] packed)
    {
        var stream = new ForeignStream().Header().Start();
        Refuses(expected, stream.Ram(RecordType.SectionPart, () =>
        {
            stream.Word("pc.ram", 1, RamFlags.CompressPage);
            stream.Wire.UInt32((uint)packed.Length);
            stream.Wire.Bytes(packed);
        }));
    }

    static ForeignStream Ram(RecordType type, Action<WireWriter> body)
    {
        var stream = new ForeignStream().Header();
        return stream.Ram(type, () => body(stream.Wire));
    }

    static void Refuses(MigrationErrorId expected, ForeignStream stream) => Refuses(expected, stream.Bytes);

    static void Refuses(MigrationErrorId expected, byte[] stream)
    {
        var policy = Incoming.Policy();
        var (migration, link) = Incoming.Run(stream, policy);
        Assert.Equal(MigrationStatus.Failed, migration.Status);
        Assert.True(expected == migration.Error!.Id, $"{expected} and not {migration.Error}");
        Assert.Empty(TestGuests.On(policy.HostName));
        Assert.True(link.IsDisposed);
        Assert.DoesNotContain(link.Answers(), answer => answer.Type == ReturnPathType.Shut && answer.Value == 0);
    }
}
