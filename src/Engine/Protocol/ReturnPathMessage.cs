using System.Buffers.Binary;
using System.Text;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Protocol;

/// <summary>A message from the destination: <c>u16 type, u16 length, payload</c>.</summary>
/// <param name="Type">What it is.</param>
/// <param name="Payload">Its bytes, of a length that fits the type.</param>
readonly record struct ReturnPathMessage(ReturnPathType Type, byte[] Payload)
{
    const ulong BitmapEnd = 0x0123456789ABCDEF;

    // Bytes per second: no machine writes as much.
    const ulong MostRate = 1UL << 60;
    const ulong NoRate = ulong.MaxValue;

    public uint Value => BinaryPrimitives.ReadUInt32BigEndian(Payload);

    /// <summary>Writes it and sends it off.</summary>
    public void Send(WireWriter writer)
    {
        Write(writer);
        writer.Flush();
    }

    /// <summary>Writes it; it leaves with what is flushed next.</summary>
    public void Write(WireWriter writer)
    {
        writer.UInt16((ushort)Type);
        writer.UInt16((ushort)Payload.Length);
        writer.Bytes(Payload);
    }

    /// <summary>
    /// RECV_BITMAP: which pages of a block have come. The bitmap follows the message and does not count in its length: <c>u64 size</c>, the
    /// bits in little-endian words of 64, <c>u64 0x0123456789abcdef</c>.
    /// </summary>
    public static void SendBitmap(WireWriter writer, string block, ReadOnlySpan<ulong> received)
    {
        var name = Encoding.UTF8.GetBytes(block);
        writer.UInt16((ushort)ReturnPathType.ReceiveBitmap);
        writer.UInt16((ushort)(1 + name.Length));
        writer.Name(block);
        writer.UInt64((ulong)received.Length * 8);
        foreach (var word in received) writer.UInt64(BinaryPrimitives.ReverseEndianness(word));
        writer.UInt64(BitmapEnd);
        writer.Flush();
    }

    /// <summary>The next one. Throws InvalidLength, UnknownRecord, UnexpectedEnd.</summary>
    public static ReturnPathMessage Read(WireReader reader)
    {
        var type = (ReturnPathType)reader.UInt16();
        int length = reader.UInt16();
        var (least, most) = Lengths(type);
        if (least < 0) throw reader.Error(MigrationErrorId.UnknownRecord, $"Return path message {(ushort)type} is not known.");
        // An instance, and digests that are as long.
        if (length < least || length > most || (type == ReturnPathType.Ready && length % 16 != 0))
            throw reader.Error(MigrationErrorId.InvalidLength, $"Return path message {type} has {length} bytes.");
        return new ReturnPathMessage(type, reader.Bytes(length));
    }

    static (int Least, int Most) Lengths(ReturnPathType type) => type switch
    {
        ReturnPathType.Shut or ReturnPathType.Pong or ReturnPathType.ResumeAck => (4, 4),
        ReturnPathType.RequestPagesId => (14, 12 + 1 + StreamConstants.MaxName),
        ReturnPathType.RequestPages => (12, 12),
        ReturnPathType.ReceiveBitmap => (2, 1 + StreamConstants.MaxName),
        ReturnPathType.SwitchoverAck or ReturnPathType.Accepted => (0, 0),
        ReturnPathType.Failure => (2, StreamConstants.MaxReturnPathLength),
        ReturnPathType.Ready => (16, 48),
        ReturnPathType.Running or ReturnPathType.WriteRate => (8, 8),
        ReturnPathType.Outcome => (17, 17),
        ReturnPathType.PostcopyFigures => (PostcopyFiguresMessage.LeastLength, PostcopyFiguresMessage.MostLength),
        _ => (-1, -1),
    };

    /// <summary>What a REQ_PAGES or REQ_PAGES_ID asks for, bytes; without a name, of the block that was named last. Throws InvalidLength.</summary>
    public (string? Block, ulong Start, uint Length) ReadRequest() => (
        Type == ReturnPathType.RequestPagesId ? ReadName(Payload.AsSpan(12)) : null,
        BinaryPrimitives.ReadUInt64BigEndian(Payload), BinaryPrimitives.ReadUInt32BigEndian(Payload.AsSpan(8)));

    /// <summary>The block of a RECV_BITMAP. Throws InvalidLength.</summary>
    public string ReadBitmapName() => ReadName(Payload);

    /// <summary>
    /// The bitmap that follows a RECV_BITMAP, of exactly so many words as are asked for: nothing is made for what the other end claims.
    /// Throws InvalidLength, InvalidValue, UnexpectedEnd.
    /// </summary>
    public static void ReadBitmap(WireReader reader, Span<ulong> received)
    {
        var size = reader.UInt64();
        if (size != (ulong)received.Length * 8)
            throw reader.Error(MigrationErrorId.InvalidLength, $"A bitmap of {size} bytes came where {received.Length * 8L} were expected.");
        foreach (ref var word in received) word = BinaryPrimitives.ReverseEndianness(reader.UInt64());
        if (reader.UInt64() is not BitmapEnd and var end) throw reader.Error(MigrationErrorId.InvalidValue, $"A bitmap ends with 0x{end:x16}.");
    }

    static string ReadName(ReadOnlySpan<byte> name)
    {
        if (name[0] != name.Length - 1) throw new MigrationException(MigrationErrorId.InvalidLength, MigrationSide.Destination, "A name has a wrong length.");
        return Encoding.UTF8.GetString(name[1..]);
    }

    public static ReturnPathMessage Pong(uint value) => WithValue(ReturnPathType.Pong, value);

    public static ReturnPathMessage Shut(uint error) => WithValue(ReturnPathType.Shut, error);

    public static ReturnPathMessage Accepted => new(ReturnPathType.Accepted, []);

    public static ReturnPathMessage ResumeAck => WithValue(ReturnPathType.ResumeAck, 1);

    public static ReturnPathMessage SwitchoverAck => new(ReturnPathType.SwitchoverAck, []);

    public static ReturnPathMessage Ready(Guid instance, byte[]? digest) =>
        new(ReturnPathType.Ready, [.. instance.ToByteArray(), .. digest ?? []]);

    public static ReturnPathMessage Running(TimeSpan start)
    {
        var payload = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(payload, (ulong)start.Ticks * 100);
        return new ReturnPathMessage(ReturnPathType.Running, payload);
    }

    /// <summary>WRITE_RATE, bytes per second; null where it is not known.</summary>
    public static ReturnPathMessage WriteRate(double? bytesPerSecond)
    {
        var payload = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(payload, bytesPerSecond is { } rate ? (ulong)Math.Clamp(rate, 0, MostRate) : NoRate);
        return new ReturnPathMessage(ReturnPathType.WriteRate, payload);
    }

    /// <summary>What a WRITE_RATE says; null where that is not known, or can't be.</summary>
    public double? ReadWriteRate() => BinaryPrimitives.ReadUInt64BigEndian(Payload) is <= MostRate and var rate ? rate : null;

    public static ReturnPathMessage Outcome(Guid instance, byte outcome) =>
        new(ReturnPathType.Outcome, [.. instance.ToByteArray(), outcome]);

    /// <summary>REQ_PAGES_ID, or REQ_PAGES of the block that was named last: bytes that the guest waits for, whole pages.</summary>
    public static ReturnPathMessage RequestPages(string? block, ulong start, uint length)
    {
        var name = Encoding.UTF8.GetBytes(block ?? "");
        var payload = new byte[12 + (block is null ? 0 : 1 + name.Length)];
        BinaryPrimitives.WriteUInt64BigEndian(payload, start);
        BinaryPrimitives.WriteUInt32BigEndian(payload.AsSpan(8), length);
        if (block is null) return new ReturnPathMessage(ReturnPathType.RequestPages, payload);
        payload[12] = (byte)name.Length;
        name.CopyTo(payload, 13);
        return new ReturnPathMessage(ReturnPathType.RequestPagesId, payload);
    }

    public static ReturnPathMessage Failure(MigrationErrorId id, string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        var length = Math.Min(utf8.Length, StreamConstants.MaxReturnPathLength - 2);
        // Not in the middle of a character.
        while (length > 0 && length < utf8.Length && (utf8[length] & 0xC0) == 0x80) length--;
        return new ReturnPathMessage(ReturnPathType.Failure, [(byte)((int)id >> 8), (byte)id, .. utf8.AsSpan(0, length)]);
    }

    /// <summary>The error and the text of a FAILURE.</summary>
    public (MigrationErrorId Id, string Text) ReadFailure()
    {
        var id = (MigrationErrorId)BinaryPrimitives.ReadUInt16BigEndian(Payload);
        // What only this end can know is no reason that the other end can give.
        var isTheirs = Enum.IsDefined(id) && id is not (MigrationErrorId.HandoverInDoubt or MigrationErrorId.GuestInDoubt
            or MigrationErrorId.GuestRunsElsewhere or MigrationErrorId.Timeout or MigrationErrorId.InternalError);
        return (isTheirs ? id : MigrationErrorId.DestinationFailed,
            Printable.Text(Encoding.UTF8.GetString(Payload.AsSpan(2)), StreamConstants.MaxReturnPathLength));
    }

    static ReturnPathMessage WithValue(ReturnPathType type, uint value)
    {
        var payload = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(payload, value);
        return new ReturnPathMessage(type, payload);
    }
}
