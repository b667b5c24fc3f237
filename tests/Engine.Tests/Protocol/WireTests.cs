using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Protocol;

/// <summary>Integers, names and headers: big-endian, and the same however the reads are cut.</summary>
public sealed class WireTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(int.MaxValue)]
    public void What_is_written_is_read_whatever_the_reads(int chunk)
    {
        var bytes = new BytesWriter();
        var writer = new WireWriter(bytes);
        writer.Byte(0xAB);
        writer.UInt16(0x0102);
        writer.UInt32(0x01020304);
        writer.UInt64(0x0102030405060708);
        foreach (var size in new[] { 1, 2, 4, 8 }) writer.Integer(0x1122334455667788, size);
        writer.Name("größer");
        writer.Name("");
        writer.Bytes(new byte[10_000]);
        Assert.Equal(bytes.Written.Length, writer.Position);
        Assert.Equal([0xAB, 1, 2, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8, 0x88, 0x77, 0x88], bytes.Written[..18]);

        var reader = new WireReader(new BytesReader(bytes.Written, chunk), MigrationSide.Source);
        Assert.Equal(0xAB, reader.Byte());
        Assert.Equal(0x0102, reader.UInt16());
        Assert.Equal(0x01020304u, reader.UInt32());
        Assert.Equal(0x0102030405060708u, reader.UInt64());
        Assert.Equal([0x88UL, 0x7788UL, 0x55667788UL, 0x1122334455667788UL], new[] { 1, 2, 4, 8 }.Select(reader.Integer));
        Assert.Equal("größer", reader.Name());
        Assert.Equal("", reader.Name());
        Assert.False(reader.IsAtEnd());
        Assert.Equal(new byte[10_000], reader.Bytes(10_000));
        Assert.True(reader.IsAtEnd());
        Assert.Equal(writer.Position, reader.Position);
        var error = Assert.Throws<MigrationException>(() => reader.Byte());
        Assert.Equal((MigrationErrorId.UnexpectedEnd, MigrationSide.Source, writer.Position), (error.Id, error.Side, error.StreamOffset!.Value));
    }

    [Fact]
    public void A_name_that_does_not_fit_is_not_written()
    {
        var writer = new WireWriter(new BytesWriter());
        writer.Name(new string('x', 255));
        Assert.Throws<ArgumentException>(() => writer.Name(new string('x', 256)));
        Assert.Throws<ArgumentException>(() => writer.Name(new string('ß', 128)));
        Assert.Equal(256, writer.Position);
    }

    [Fact]
    public void No_more_is_held_at_once_than_the_bound()
    {
        var reader = new WireReader(new BytesReader(new byte[1 << 20], 1000), MigrationSide.Source);
        Assert.True(reader.Peek(WireReader.MaxPeek).Length >= WireReader.MaxPeek);
        var fresh = new WireReader(new BytesReader(new byte[1 << 20]), MigrationSide.Source);
        Assert.Throws<ArgumentOutOfRangeException>(() => fresh.Peek(WireReader.MaxPeek + 1));
    }

    [Fact]
    public void The_header_of_a_stream_is_that_of_QEMU()
    {
        var bytes = new BytesWriter();
        StreamHeader.Write(new WireWriter(bytes), "none");
        Assert.Equal("5145564D00000003" + "0700000004" + "6E6F6E65", Convert.ToHexString(bytes.Written));
    }

    [Theory]
    [InlineData(0x50534D01u, 0x50534D87u, true)]
    [InlineData(0x50534D02u, 0x50534D87u, true)]
    [InlineData(0x50534D06u, 0x50534D87u, true)]
    [InlineData(0x50534D07u, 0x50534D87u, true)]
    [InlineData(1u, 1u, false)]
    [InlineData(0x42u, 0x42u, false)]
    [InlineData(0x50534E01u, 0x50534E01u, false)]
    public void A_ping_of_ours_is_told_from_any_other(uint ping, uint answer, bool isOurs)
    {
        Assert.Equal(answer, Handshake.Answer(ping));
        Assert.Equal(isOurs, Handshake.IsOurAnswer(Handshake.Answer(ping)));
        // An echo, as QEMU gives it, is never taken for one of ours.
        Assert.False(Handshake.IsOurAnswer(Handshake.ExtensionPing));
    }

    [Theory]
    [InlineData(0x50534D01u, 1u)]
    [InlineData(0x50534D81u, 1u)]
    [InlineData(0x50534D02u, 2u)]
    [InlineData(0x50534D82u, 2u)]
    [InlineData(0x50534D03u, 3u)]
    [InlineData(0x50534D83u, 3u)]
    [InlineData(0x50534D04u, 4u)]
    [InlineData(0x50534D84u, 4u)]
    [InlineData(0x50534D05u, 5u)]
    [InlineData(0x50534D85u, 5u)]
    [InlineData(0x50534D06u, 6u)]
    [InlineData(0x50534D86u, 6u)]
    [InlineData(0x50534D87u, 7u)]
    [InlineData(0x50534DFFu, 7u)]
    [InlineData(0x50534D00u, 0u)]
    [InlineData(0x50534E82u, 0u)]
    [InlineData(1u, 0u)]
    public void Both_ends_keep_to_the_lower_version(uint word, uint version) => Assert.Equal(version, Handshake.AgreedVersion(word));

    [Fact]
    public void Text_of_the_wire_in_messages_is_short_and_harmless()
    {
        Assert.Equal("a?[2Jb", Printable.Text("a\u001b[2Jb"));
        Assert.Equal(81, Printable.Text(new string('x', 300)).Length);
    }
}
