using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Source;

/// <summary>JOIN: a further connection tells a receiver of ours which migration it belongs to (<see cref="Handshake"/>).</summary>
static class Joining
{
    /// <summary>Header and ping; the pong is awaited before <see cref="Send"/>, since an older receiver does not know what comes then.</summary>
    public static void Greet(WireWriter writer)
    {
        StreamHeader.Write(writer, StreamConstants.MachineNone);
        CommandRecord.Write(writer, CommandType.OpenReturnPath);
        CommandRecord.WritePing(writer, Handshake.ExtensionPing);
        writer.Flush();
    }

    /// <summary>Throws DestinationRefused for an answer that no receiver of ours with postcopy gives.</summary>
    public static void CheckPong(ReturnPathMessage pong)
    {
        if (!Handshake.IsOurAnswer(pong.Value) || Handshake.AgreedVersion(pong.Value) < Handshake.PostcopyVersion)
            throw new MigrationException(MigrationErrorId.DestinationRefused, MigrationSide.Destination, "What answers there is no receiver that could have the guest.");
    }

    public static void Send(WireWriter writer, Guid migration, JoinPurpose purpose)
    {
        CommandRecord.Write(writer, CommandType.Join, [.. migration.ToByteArray(), (byte)purpose]);
        writer.Flush();
    }

    public static (Guid Instance, HandoverOutcome Outcome) ReadOutcome(ReturnPathMessage answer) =>
        (new Guid(answer.Payload.AsSpan(0, 16)), (HandoverOutcome)answer.Payload[16]);

    /// <summary>
    /// Makes a connection the preempt channel of a migration; nothing is read from it afterwards. Throws DestinationRefused, PeerSilent, and
    /// what the link throws; the connection stays the caller's.
    /// </summary>
    public static void Preempt(IConnection connection, Guid migration, Guid? instance, TimeSpan timeout)
    {
        var isLate = false;
        using var deadline = EngineThread.After(MigrationParameters.Bounded(timeout), () =>
        {
            Volatile.Write(ref isLate, true);
            connection.Abort();
        });
        try
        {
            var (writer, reader) = (new WireWriter(connection.Output), new WireReader(connection.Input, MigrationSide.Destination));
            Greet(writer);
            CheckPong(Read(reader, ReturnPathType.Pong));
            Send(writer, migration, JoinPurpose.Preempt);
            var (who, outcome) = ReadOutcome(Read(reader, ReturnPathType.Outcome));
            if (outcome != HandoverOutcome.Running || (instance is { } expected && who != expected))
                throw new MigrationException(MigrationErrorId.DestinationRefused, MigrationSide.Destination, "The destination does not take the preempt channel.");
        }
        catch (Exception e) when (Volatile.Read(ref isLate))
        {
            throw new MigrationException(MigrationErrorId.PeerSilent, MigrationSide.Link,
                $"The destination did not answer within {timeout.TotalSeconds:0.#} s when its preempt channel was opened.", e);
        }
    }

    /// <summary>
    /// QUERY_OUTCOME of a migration that never was, instead of <see cref="Send"/>: one that says nothing more would be an arrival that failed there, and a
    /// question is none, of whatever version the receiver is.
    /// </summary>
    public static void AskSomething(WireWriter writer)
    {
        CommandRecord.Write(writer, CommandType.QueryOutcome, Guid.NewGuid().ToByteArray());
        writer.Flush();
    }

    /// <summary>The next message, which has to be of that type. Throws OutOfOrder.</summary>
    public static ReturnPathMessage Read(WireReader reader, ReturnPathType type)
    {
        var message = ReturnPathMessage.Read(reader);
        return message.Type == type ? message : throw reader.Error(MigrationErrorId.OutOfOrder, $"{type} was expected, not {message.Type}.");
    }
}
