using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Streams;

/// <summary>Reads commands and messages of the return path, and says what their payloads mean.</summary>
static class CommandReader
{
    // A command's length field has 16 bits, so its ranges are few; this is for the return path's bitmap.
    const long MaxBitmap = RamReader.MaxRam / RamReader.PageSize / 8;
    const ulong BitmapEnd = 0x0123456789ABCDEF;

    /// <summary>A command, after its type byte. Throws UnknownRecord, InvalidLength, InvalidValue, UnexpectedEnd.</summary>
    public static (CommandType Type, StreamCommand Command) Read(StreamFile file, bool inPackage)
    {
        var offset = file.Position - 1;
        var type = (CommandType)file.UInt16();
        int length = file.UInt16();
        if (!Enum.IsDefined(type) || type == CommandType.Invalid)
            throw file.ErrorAt(offset, MigrationErrorId.UnknownRecord, $"Command {(ushort)type} is not known.");
        file.Where = $"command {type}";
        var payload = file.Bytes(length);
        if (!IsLength(type, length))
            throw file.ErrorAt(offset, MigrationErrorId.InvalidLength, $"Command {type} has {length} bytes.");
        var block = type switch
        {
            CommandType.ReceiveBitmap => NameAt(payload, 0),
            CommandType.PostcopyRamDiscard => NameAt(payload, 1),
            _ => null,
        };
        var ranges = type == CommandType.PostcopyRamDiscard ? Ranges(file, offset, payload) : [];
        return (type, new StreamCommand(type.ToString(), offset, payload, Detail(type, payload, block, ranges), block, ranges, inPackage));
    }

    /// <summary>A message of the return path. Throws UnknownRecord, InvalidLength, InvalidValue, UnexpectedEnd.</summary>
    public static StreamMessage ReadMessage(StreamFile file)
    {
        var offset = file.Position;
        file.Where = "a message";
        var type = (ReturnPathType)file.UInt16();
        int length = file.UInt16();
        if (!Enum.IsDefined(type) || type == ReturnPathType.Invalid)
            throw file.ErrorAt(offset, MigrationErrorId.UnknownRecord, $"Return path message {(ushort)type} is not known.");
        file.Where = $"message {type}";
        if (length > StreamConstants.MaxReturnPathLength || !IsLength(type, length))
            throw file.ErrorAt(offset, MigrationErrorId.InvalidLength, $"Message {type} has {length} bytes.");
        var payload = file.Bytes(length);
        var block = type switch
        {
            ReturnPathType.ReceiveBitmap => NameAt(payload, 0),
            ReturnPathType.RequestPagesId => NameAt(payload, 12),
            _ => null,
        };
        StreamRange? range = type is ReturnPathType.RequestPages or ReturnPathType.RequestPagesId
            ? new StreamRange((long)BinaryPrimitives.ReadUInt64BigEndian(payload), BinaryPrimitives.ReadUInt32BigEndian(payload.AsSpan(8)))
            : null;
        var bitmap = type == ReturnPathType.ReceiveBitmap ? SkipBitmap(file) : 0;
        return new StreamMessage(type.ToString(), offset, payload, Detail(type, payload, block, range, bitmap), block, range);
    }

    static bool IsLength(CommandType type, int length) => type switch
    {
        CommandType.Ping or CommandType.Packaged => length == 4,
        CommandType.PostcopyAdvise => length is 0 or 16,
        CommandType.PostcopyRamDiscard => length >= 20,
        CommandType.ReceiveBitmap => length is > 1 and <= 256,
        CommandType.QueryOutcome => length == 16,
        _ => length == 0,
    };

    static bool IsLength(ReturnPathType type, int length) => type switch
    {
        ReturnPathType.Shut or ReturnPathType.Pong or ReturnPathType.ResumeAck => length == 4,
        ReturnPathType.RequestPagesId => length > 13,
        ReturnPathType.RequestPages => length == 12,
        ReturnPathType.ReceiveBitmap => length > 1,
        ReturnPathType.SwitchoverAck or ReturnPathType.Accepted => length == 0,
        ReturnPathType.Failure => length >= 2,
        ReturnPathType.Ready => length is >= 16 and <= 32,
        ReturnPathType.Running => length == 8,
        _ => length == 17,
    };

    /// <summary><c>u8 version, name, u8 0, n × (u64 start, u64 length)</c>.</summary>
    static StreamRange[] Ranges(StreamFile file, long offset, byte[] payload)
    {
        var at = 1 + 1 + payload[1] + 1;
        if (payload[0] != 0 || at > payload.Length || (payload.Length - at) % 16 != 0)
            throw file.ErrorAt(offset, MigrationErrorId.InvalidValue, "A list of pages to discard is not well formed.");
        var ranges = new StreamRange[(payload.Length - at) / 16];
        for (var i = 0; i < ranges.Length; i++, at += 16)
            ranges[i] = new StreamRange((long)BinaryPrimitives.ReadUInt64BigEndian(payload.AsSpan(at)),
                (long)BinaryPrimitives.ReadUInt64BigEndian(payload.AsSpan(at + 8)));
        return ranges;
    }

    static string? NameAt(byte[] payload, int at) =>
        at < payload.Length && at + 1 + payload[at] <= payload.Length ? Encoding.UTF8.GetString(payload, at + 1, payload[at]) : null;

    /// <summary><c>u64 size, bytes, u64 end mark</c>, which the message's length does not count.</summary>
    static long SkipBitmap(StreamFile file)
    {
        var size = file.UInt64();
        if (size > (ulong)MaxBitmap) throw file.Error(MigrationErrorId.InvalidLength, $"A bitmap of {size} bytes can't be.");
        file.Skip((long)size);
        if (file.UInt64() != BitmapEnd) throw file.Error(MigrationErrorId.InvalidValue, "A bitmap has no end mark.");
        return (long)size;
    }

    static string Detail(CommandType type, byte[] payload, string? block, StreamRange[] ranges) => type switch
    {
        CommandType.Ping => Value(payload),
        CommandType.Packaged => $"{Value(payload)} bytes follow",
        CommandType.PostcopyAdvise when payload.Length == 16 =>
            $"page sizes 0x{BinaryPrimitives.ReadUInt64BigEndian(payload):x}, "
            + $"target page 0x{BinaryPrimitives.ReadUInt64BigEndian(payload.AsSpan(8)):x}",
        CommandType.PostcopyRamDiscard => $"{Printable.Text(block ?? "")}: {ranges.Length} ranges, "
            + $"{ranges.Sum(range => (decimal)(ulong)range.Length).ToString(CultureInfo.InvariantCulture)} bytes",
        CommandType.ReceiveBitmap => Printable.Text(block ?? ""),
        CommandType.QueryOutcome => new Guid(payload).ToString(),
        _ => "",
    };

    static string Detail(ReturnPathType type, byte[] payload, string? block, StreamRange? range, long bitmap) => type switch
    {
        ReturnPathType.Shut => Value(payload) == "0" ? "ended well" : $"error {Value(payload)}",
        ReturnPathType.Pong or ReturnPathType.ResumeAck => Value(payload),
        ReturnPathType.RequestPages or ReturnPathType.RequestPagesId =>
            $"{(block is null ? "" : Printable.Text(block) + ": ")}{range!.Value.Length} bytes at 0x{range.Value.Start:x}",
        ReturnPathType.ReceiveBitmap => $"{Printable.Text(block ?? "")}: bitmap of {bitmap} bytes",
        ReturnPathType.Failure => Failure(payload),
        ReturnPathType.Running => $"started in {BinaryPrimitives.ReadUInt64BigEndian(payload)} ns",
        ReturnPathType.Ready => Digests(payload),
        ReturnPathType.Outcome => ((HandoverOutcome)payload[16]).ToString(),
        _ => "",
    };

    // That of RAM, and that of the rest.
    static string Digests(byte[] payload) => payload.Length switch
    {
        <= 16 => "",
        <= 32 => $"digest {Convert.ToHexStringLower(payload.AsSpan(16))}",
        _ => $"digests {Convert.ToHexStringLower(payload.AsSpan(16, 16))} and {Convert.ToHexStringLower(payload.AsSpan(32))}",
    };

    static string Failure(byte[] payload)
    {
        var (id, text) = new ReturnPathMessage(ReturnPathType.Failure, payload).ReadFailure();
        return $"{id}: {text}";
    }

    static string Value(byte[] payload)
    {
        var value = BinaryPrimitives.ReadUInt32BigEndian(payload);
        return value < 10 ? $"{value}" : $"{value} (0x{value:x})";
    }
}
