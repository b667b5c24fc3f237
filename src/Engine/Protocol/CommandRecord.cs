using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Protocol;

/// <summary>A COMMAND record: <c>08, u16 command, u16 length, payload</c>.</summary>
static class CommandRecord
{
    public static void Write(WireWriter writer, CommandType command, ReadOnlySpan<byte> payload = default)
    {
        writer.Byte((byte)RecordType.Command);
        writer.UInt16((ushort)command);
        writer.UInt16((ushort)payload.Length);
        writer.Bytes(payload);
    }

    public static void WritePing(WireWriter writer, uint value)
    {
        Span<byte> payload = stackalloc byte[4];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(payload, value);
        Write(writer, CommandType.Ping, payload);
    }

    /// <inheritdoc cref="Read(WireReader, out int)"/>
    public static CommandType Read(WireReader reader) => Read(reader, out _);

    /// <summary>
    /// Command and payload length, after the type byte. Throws UnknownRecord for a command that nobody knows, InvalidLength for
    /// a length that it can't have, UnsupportedFeature for what this receiver does not do.
    /// </summary>
    public static CommandType Read(WireReader reader, out int length)
    {
        var command = (CommandType)reader.UInt16();
        length = reader.UInt16();
        switch (command)
        {
            case CommandType.OpenReturnPath or CommandType.SwitchoverStart or CommandType.Run or CommandType.PostcopyListen
                or CommandType.PostcopyRun or CommandType.PostcopyResume:
                CheckLength(reader, command, length, 0);
                return command;
            case CommandType.Ping or CommandType.Packaged:
                CheckLength(reader, command, length, 4);
                return command;
            case CommandType.QueryOutcome:
                CheckLength(reader, command, length, 16);
                return command;
            case CommandType.Join:
                CheckLength(reader, command, length, 16 + 1);
                return command;
            case CommandType.PostcopyAdvise when length == 0:
                throw reader.Error(MigrationErrorId.UnsupportedFeature, "Postcopy of dirty bitmaps alone is not supported; switch the capability dirty-bitmaps off at the source.");
            case CommandType.PostcopyAdvise:
                CheckLength(reader, command, length, 16);
                return command;
            case CommandType.PostcopyRamDiscard:
                // Version, name, a zero byte, at least one range.
                if (length < 1 + 2 + 1 + 16) throw reader.Error(MigrationErrorId.InvalidLength, $"Command {command} has {length} bytes.");
                return command;
            case CommandType.ReceiveBitmap:
                if (length is < 2 or > 1 + StreamConstants.MaxName) throw reader.Error(MigrationErrorId.InvalidLength, $"Command {command} has {length} bytes.");
                return command;
            case CommandType.EnableColo:
                throw reader.Error(MigrationErrorId.UnsupportedFeature, "COLO is not supported; switch the capability x-colo off at the source.");
            default:
                throw reader.Error(MigrationErrorId.UnknownRecord, $"Command {(ushort)command} is not known.");
        }
    }

    static void CheckLength(WireReader reader, CommandType command, int length, int expected)
    {
        if (length != expected)
            throw reader.Error(MigrationErrorId.InvalidLength, $"Command {command} has {length} bytes instead of {expected}.");
    }
}
