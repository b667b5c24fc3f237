using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Protocol;

/// <summary>Messages of the way back: bytes as QEMU has them, and nothing else is read.</summary>
public sealed class ReturnPathMessageTests
{
    [Fact]
    public void SHUT_and_PONG_are_the_bytes_of_QEMU()
    {
        Assert.Equal([0, 1, 0, 4, 0, 0, 0, 0], Bytes(ReturnPathMessage.Shut(0)));
        Assert.Equal([0, 2, 0, 4, 0x50, 0x53, 0x4D, 0x81], Bytes(ReturnPathMessage.Pong(0x50534D81)));
    }

    [Fact]
    public void Requests_for_pages_are_the_bytes_of_QEMU()
    {
        Assert.Equal([0, 3, 0, 16, 0, 0, 0, 0, 0x12, 0x34, 0x50, 0, 0, 0, 0x10, 0, 3, (byte)'r', (byte)'a', (byte)'m'], Bytes(ReturnPathMessage.RequestPages("ram", 0x12345000, 4096)));
        Assert.Equal([0, 4, 0, 12, 0, 0, 0, 0, 0x12, 0x34, 0x50, 0, 0, 0, 0x20, 0], Bytes(ReturnPathMessage.RequestPages(null, 0x12345000, 8192)));
    }

    [Fact]
    public void Each_message_comes_back_as_it_was()
    {
        ReturnPathMessage[] messages =
        [
            ReturnPathMessage.Shut(1), ReturnPathMessage.Pong(7), ReturnPathMessage.Accepted, ReturnPathMessage.Ready(Guid.NewGuid(), null),
            ReturnPathMessage.Ready(Guid.NewGuid(), new byte[16]), ReturnPathMessage.Ready(Guid.NewGuid(), new byte[32]), ReturnPathMessage.Running(TimeSpan.FromMilliseconds(5)),
            ReturnPathMessage.Outcome(Guid.NewGuid(), 2), ReturnPathMessage.Failure(MigrationErrorId.WrongFooter, "why"),
            ReturnPathMessage.RequestPages("ram", 0, 4096), ReturnPathMessage.RequestPages(null, 0x1000, 4096),
        ];
        foreach (var message in messages)
        {
            var read = Read(Bytes(message));
            Assert.Equal(message.Type, read.Type);
            Assert.Equal(message.Payload, read.Payload);
        }
    }

    [Fact]
    public void A_failure_keeps_its_id_and_a_text_of_any_length_in_whole_characters()
    {
        var (id, text) = Read(Bytes(ReturnPathMessage.Failure(MigrationErrorId.MemoryExceeded, string.Concat(Enumerable.Repeat("größer ", 200))))).ReadFailure();
        Assert.Equal(MigrationErrorId.MemoryExceeded, id);
        Assert.StartsWith("größer größer", text, StringComparison.Ordinal);
        for (var length = 0; length < 600; length += 7)
            Assert.DoesNotContain('\uFFFD', ReturnPathMessage.Failure(MigrationErrorId.InternalError, new string('x', length % 5) + new string('ß', length)).ReadFailure().Text);
    }

    [Fact]
    public void A_failure_of_another_version_is_a_failure_of_the_destination_and_its_text_is_made_harmless()
    {
        var (id, text) = new ReturnPathMessage(ReturnPathType.Failure, [0xFF, 0xFE, (byte)'a', 0x1B, (byte)'b']).ReadFailure();
        Assert.Equal((MigrationErrorId.DestinationFailed, "a?b"), (id, text));
    }

    [Theory]
    [InlineData((ushort)0, 0)]
    [InlineData((ushort)8, 4)]
    [InlineData((ushort)0x5000, 0)]
    [InlineData((ushort)0xFFFF, 4)]
    public void An_unknown_type_is_refused(ushort type, int length) => Refused(MigrationErrorId.UnknownRecord, type, length);

    [Fact]
    public void A_write_rate_that_can_not_be_is_none()
    {
        Assert.Equal(1e9, ReturnPathMessage.WriteRate(1e9).ReadWriteRate());
        Assert.Equal(0, ReturnPathMessage.WriteRate(0).ReadWriteRate());
        Assert.Null(ReturnPathMessage.WriteRate(null).ReadWriteRate());
        Assert.Null(new ReturnPathMessage(ReturnPathType.WriteRate, [0x10, 0, 0, 0, 0, 0, 0, 1]).ReadWriteRate());
    }

    [Theory]
    [InlineData(ReturnPathType.Shut, 3)]
    [InlineData(ReturnPathType.Shut, 5)]
    [InlineData(ReturnPathType.Pong, 0)]
    [InlineData(ReturnPathType.RequestPages, 13)]
    [InlineData(ReturnPathType.RequestPagesId, 13)]
    [InlineData(ReturnPathType.RequestPagesId, 300)]
    [InlineData(ReturnPathType.SwitchoverAck, 1)]
    [InlineData(ReturnPathType.Accepted, 1)]
    [InlineData(ReturnPathType.Failure, 1)]
    [InlineData(ReturnPathType.Failure, 513)]
    [InlineData(ReturnPathType.Failure, 0xFFFF)]
    [InlineData(ReturnPathType.Ready, 15)]
    [InlineData(ReturnPathType.Ready, 33)]
    [InlineData(ReturnPathType.Ready, 64)]
    [InlineData(ReturnPathType.Outcome, 16)]
    [InlineData(ReturnPathType.WriteRate, 7)]
    [InlineData(ReturnPathType.WriteRate, 9)]
    [InlineData(ReturnPathType.PostcopyFigures, 57)]
    [InlineData(ReturnPathType.PostcopyFigures, 507)]
    public void A_wrong_length_is_refused(object type, int length) => Refused(MigrationErrorId.InvalidLength, (ushort)(ReturnPathType)type, length);

    [Fact]
    public void A_message_that_is_cut_is_an_early_end()
    {
        var whole = Bytes(ReturnPathMessage.Running(TimeSpan.FromSeconds(1)));
        for (var end = 0; end < whole.Length; end++)
            Assert.Equal(MigrationErrorId.UnexpectedEnd, Assert.Throws<MigrationException>(() => Read(whole[..end])).Id);
    }

    static void Refused(MigrationErrorId expected, ushort type, int length)
    {
        byte[] bytes = [(byte)(type >> 8), (byte)type, (byte)(length >> 8), (byte)length, .. new byte[600]];
        var error = Assert.Throws<MigrationException>(() => Read(bytes));
        Assert.Equal((expected, MigrationSide.Destination), (error.Id, error.Side));
    }

    static byte[] Bytes(ReturnPathMessage message)
    {
        var bytes = new BytesWriter();
        message.Send(new WireWriter(bytes));
        return bytes.Written;
    }

    static ReturnPathMessage Read(byte[] bytes) => ReturnPathMessage.Read(new WireReader(new BytesReader(bytes), MigrationSide.Destination));
}
