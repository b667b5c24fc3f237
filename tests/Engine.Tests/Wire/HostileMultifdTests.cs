using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Wire;

/// <summary>Packets of a multifd channel that a receiver must refuse before they touch anything outside the guest.</summary>
public sealed class HostileMultifdTests
{
    const int PageSize = GuestMemory.PageSize;
    const long Size = 64 << 10;

    [Theory]
    [InlineData(0x51455649u)]
    [InlineData(0u)]
    public void An_init_packet_of_another_magic(uint magic) => Init(MigrationErrorId.BadMagic, wire => wire.UInt32(magic));

    [Fact]
    public void An_init_packet_of_another_version() => Init(MigrationErrorId.UnsupportedVersion, wire =>
    {
        wire.UInt32(MultifdInit.Magic);
        wire.UInt32(2);
    });

    [Fact]
    public void An_init_packet_that_ends_early() => Init(MigrationErrorId.UnexpectedEnd, wire =>
    {
        wire.UInt32(MultifdInit.Magic);
        wire.UInt32(MultifdInit.Version);
        wire.Bytes(new byte[55]);
    });

    [Theory]
    [InlineData(0u, 4, 0x11223345u, "BadMagic")]
    [InlineData(4u, 4, 2u, "UnsupportedVersion")]
    [InlineData(8u, 4, 0x80u, "InvalidValue")]
    [InlineData(8u, 4, 0xFFFFFFFFu, "InvalidValue")]
    [InlineData(8u, 4, MultifdFlags.DeviceState, "UnsupportedFeature")]
    [InlineData(8u, 4, (uint)MultifdMethod.Qpl, "UnsupportedFeature")]
    [InlineData(8u, 4, 6u, "UnsupportedFeature")]
    [InlineData(12u, 4, 129u, "InvalidLength")]
    [InlineData(16u, 4, 129u, "InvalidLength")]
    [InlineData(16u, 4, 0xFFFFFFFFu, "InvalidLength")]
    [InlineData(20u, 4, 0u, "InvalidLength")]
    [InlineData(20u, 4, 4095u, "InvalidLength")]
    [InlineData(20u, 4, 0xFFFFFFFFu, "InvalidLength")]
    [InlineData(32u, 4, 128u, "InvalidLength")]
    [InlineData(32u, 4, 0xFFFFFFFFu, "InvalidLength")]
    public void A_header_with_one_field_that_can_not_be(uint at, int size, uint value, string expected)
    {
        var bytes = new BytesWriter();
        new MultifdSource(bytes).Pages([(0, new byte[PageSize])]);
        var channel = bytes.Written;
        for (var i = 0; i < size; i++) channel[at + i] = (byte)(value >> (8 * (size - 1 - i)));
        Refuse(Enum.Parse<MigrationErrorId>(expected), channel);
    }

    [Theory]
    [InlineData((ulong)Size)]
    [InlineData(0x0FFFFFFFFFFFF000UL)]
    [InlineData(0xFFFFFFFFFFFFF000UL)]
    [InlineData(1UL)]
    [InlineData(0x1008UL)]
    public void A_page_outside_its_block_or_askew(ulong offset)
    {
        Refuse(MigrationErrorId.OffsetOutOfRange, source => source.Packet([offset], [], 0, PageSize).Wire.Bytes(new byte[PageSize]));
        Refuse(MigrationErrorId.OffsetOutOfRange, source => source.Packet([], [offset], 0, 0));
        // The last of many: the ones before it are checked with it.
        Refuse(MigrationErrorId.OffsetOutOfRange, source => source.Packet([0, 0x1000], [0x2000, offset], 0, 2 * PageSize).Wire.Bytes(new byte[2 * PageSize]));
    }

    [Theory]
    [InlineData("")]
    [InlineData("pc.ram")]
    [InlineData("RAM")]
    public void An_unknown_block(string name) => Refuse(MigrationErrorId.UnknownBlock, source => source.Packet([], [0], 0, 0, name));

    [Fact]
    public void A_block_name_without_an_end() => Refuse(MigrationErrorId.InvalidValue, source => source.Packet([], [0], 0, 0, new string('r', 256)));

    [Fact]
    public void Pages_before_the_main_stream_has_listed_its_blocks()
    {
        var bytes = new BytesWriter();
        new MultifdSource(bytes).Pages([(0, new byte[PageSize])]);
        using var loader = new MultifdLoader(Reader(bytes.Written), new MultifdBarrier().Join(), () => null, _ => { });
        Assert.Equal(MigrationErrorId.OutOfOrder, Assert.Throws<MigrationException>(loader.Run).Id);
    }

    [Fact]
    public void A_channel_cut_anywhere_inside_a_packet()
    {
        var bytes = new BytesWriter();
        new MultifdSource(bytes).Pages([(0, new byte[PageSize])]);
        for (var length = 1; length < bytes.Written.Length; length += 500) Refuse(MigrationErrorId.UnexpectedEnd, bytes.Written[..length]);
    }

    [Theory]
    [InlineData("Zlib", "less", "InvalidLength")]
    [InlineData("Zlib", "more", "InvalidLength")]
    [InlineData("Zlib", "rubbish", "InvalidValue")]
    [InlineData("Zlib", "huge", "InvalidLength")]
    [InlineData("Zlib", "other later", "InvalidValue")]
    [InlineData("Zstd", "less", "InvalidLength")]
    [InlineData("Zstd", "more", "InvalidLength")]
    [InlineData("Zstd", "rubbish", "InvalidValue")]
    [InlineData("Zstd", "huge", "InvalidLength")]
    [InlineData("Zstd", "other later", "InvalidValue")]
    public void Compressed_data_that_is_not_what_its_header_says(string method, string what, string expected)
    {
        var (kind, id) = (Enum.Parse<MultifdMethod>(method), Enum.Parse<MigrationErrorId>(expected));
        Refuse(id, source =>
        {
            var data = what switch
            {
                "less" => source.Pack(new byte[PageSize]),
                "more" => source.Pack(new byte[3 * PageSize]),
                "rubbish" => [.. Enumerable.Range(0, 500).Select(i => (byte)(i * 37 + 1))],
                // A bomb: 64 MiB of zeros in a few KiB.
                "huge" => source.Pack(new byte[64 << 20]),
                _ => source.Pack(new byte[2 * PageSize]),
            };
            source.Packet([0, 0x1000], [], (uint)kind, (uint)data.Length).Wire.Bytes(data);
            if (what == "other later") source.Packet([0], [], (uint)(kind == MultifdMethod.Zlib ? MultifdMethod.Zstd : MultifdMethod.Zlib), 9).Wire.Bytes(new byte[9]);
        }, kind);
    }

    [Theory]
    [InlineData(0x48, 19)]
    [InlineData(0x50, 20)]
    [InlineData(0x51, 21)]
    [InlineData(0x88, 27)]
    // More than is unpacked at all.
    [InlineData(0xA8, 27)]
    public void The_window_of_a_zstd_frame_is_counted_before_it_is_made(byte window, int bits)
    {
        byte[] frame = [0x28, 0xB5, 0x2F, 0xFD, 0, window, 0, 0, 0];
        var bytes = new BytesWriter();
        new MultifdSource(bytes).Packet([0], [], (uint)MultifdMethod.Zstd, (uint)frame.Length).Wire.Bytes(frame);
        var memory = new GuestMemory(Size);
        var held = new List<long>();
        using (var loader = new MultifdLoader(Reader(bytes.Written), new MultifdBarrier().Join(), () => new ArrivingRam(memory), held.Add))
            Assert.Throws<MigrationException>(loader.Run);
        memory.Release();
        Assert.Equal([1L << bits], held);
    }

    [Fact]
    public void A_later_zstd_frame_can_not_take_more_than_the_first()
    {
        byte[] Frame(int level)
        {
            var packed = new MemoryStream();
            using (var zstd = new ZstdSharp.CompressionStream(packed, level, leaveOpen: true)) zstd.Write(new byte[PageSize]);
            return packed.ToArray();
        }
        Refuse(MigrationErrorId.InvalidValue, source =>
        {
            foreach (var frame in new[] { Frame(1), Frame(22) })
                source.Packet([0], [], (uint)MultifdMethod.Zstd, (uint)frame.Length).Wire.Bytes(frame);
        });
    }

    [Fact]
    public void Compressed_data_longer_than_any_packet() => Refuse(MigrationErrorId.InvalidLength, source => source.Packet([0], [], (uint)MultifdMethod.Zlib, MultifdPacket.MaxCompressed + 1));

    static void Init(MigrationErrorId expected, Action<WireWriter> write)
    {
        var bytes = new BytesWriter();
        write(new WireWriter(bytes));
        Assert.Equal(expected, Assert.Throws<MigrationException>(() => MultifdInit.Read(Reader(bytes.Written))).Id);
    }

    static void Refuse(MigrationErrorId expected, Action<MultifdSource> write, MultifdMethod method = MultifdMethod.None)
    {
        var bytes = new BytesWriter();
        write(new MultifdSource(bytes, method));
        Refuse(expected, bytes.Written);
    }

    static void Refuse(MigrationErrorId expected, byte[] channel)
    {
        var memory = new GuestMemory(Size);
        var ram = new ArrivingRam(memory);
        using (var loader = new MultifdLoader(Reader(channel), new MultifdBarrier().Join(), () => ram, _ => { }))
        {
            var error = Assert.Throws<MigrationException>(loader.Run);
            Assert.Equal(expected, error.Id);
            Assert.Equal(MigrationSide.Source, error.Side);
            Assert.InRange(error.StreamOffset!.Value, 0, channel.Length);
        }
        // The channel gave its hold on the memory back: this was the last one.
        memory.Release();
        Assert.False(memory.TryAddReference());
    }

    static WireReader Reader(byte[] bytes) => new(new BytesReader(bytes), MigrationSide.Source);
}
