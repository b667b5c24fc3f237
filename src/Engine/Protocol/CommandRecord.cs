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

    /// <summary>
    /// Command and payload length, after the type byte. Throws UnknownRecord for a command that nobody knows, InvalidLength for
    /// a wrong fixed length, UnsupportedFeature for what this receiver does not do.
    /// </summary>
    public static CommandType Read(WireReader reader)
    {
        var command = (CommandType)reader.UInt16();
        int length = reader.UInt16();
        switch (command)
        {
            case CommandType.OpenReturnPath or CommandType.SwitchoverStart or CommandType.Run:
                CheckLength(reader, command, length, 0);
                return command;
            case CommandType.Ping:
                CheckLength(reader, command, length, 4);
                return command;
            case CommandType.QueryOutcome:
                CheckLength(reader, command, length, 16);
                return command;
            case >= CommandType.PostcopyAdvise and <= CommandType.ReceiveBitmap:
                throw reader.Error(MigrationErrorId.UnsupportedFeature, $"Command {command} is not supported by this receiver.");
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
