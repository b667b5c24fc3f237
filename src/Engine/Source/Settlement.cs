using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Source;

/// <summary>Asks a destination over a new connection what became of a migration, or of its guest.</summary>
static class Settlement
{
    /// <summary>Whether it has the guest, as far as RUN is concerned (QUERY_OUTCOME).</summary>
    public static SettleOutcome Ask(Func<CancellationToken, IConnection> connect, Guid migration, Guid instance, TimeSpan timeout) =>
        Within(connect, timeout, (writer, reader) =>
        {
            if (!Handshake.IsOurAnswer(Joining.Read(reader, ReturnPathType.Pong).Value)) return SettleOutcome.Unknown;
            CommandRecord.Write(writer, CommandType.QueryOutcome, migration.ToByteArray());
            writer.Flush();
            return ReadOutcome(reader, instance);
        });

    /// <summary>Says that pages which are missing will not come (JOIN), and asks whether the guest is there, with all of its memory.</summary>
    public static SettleOutcome GiveUp(Func<CancellationToken, IConnection> connect, Guid migration, Guid instance, TimeSpan timeout) =>
        Within(connect, timeout, (writer, reader) =>
        {
            Joining.CheckPong(Joining.Read(reader, ReturnPathType.Pong));
            Joining.Send(writer, migration, JoinPurpose.GivenUp);
            var outcome = ReadOutcome(reader, instance);
            return outcome == SettleOutcome.RunsThere ? ReadLastWord(reader) : outcome;
        });

    /// <summary>How fast the guest writes that arrived there, bytes/s (JOIN); null where nobody says.</summary>
    public static double? AskWriteRate(Func<CancellationToken, IConnection> connect, Guid migration, Guid instance, TimeSpan timeout) =>
        Within<double?>(connect, timeout, null, (writer, reader) =>
        {
            var pong = Joining.Read(reader, ReturnPathType.Pong);
            if (!Handshake.IsOurAnswer(pong.Value)) return null;
            if (Handshake.AgreedVersion(pong.Value) < Handshake.WriteRateVersion)
            {
                // Somebody else is there by now.
                Joining.AskSomething(writer);
                Joining.Read(reader, ReturnPathType.Outcome);
                return null;
            }
            Joining.Send(writer, migration, JoinPurpose.WriteRate);
            return ReadOutcome(reader, instance) == SettleOutcome.RunsThere ? Joining.Read(reader, ReturnPathType.WriteRate).ReadWriteRate() : null;
        });

    static SettleOutcome Within(Func<CancellationToken, IConnection> connect, TimeSpan timeout, Func<WireWriter, WireReader, SettleOutcome> ask) =>
        Within(connect, timeout, SettleOutcome.Unknown, ask);

    static T Within<T>(Func<CancellationToken, IConnection> connect, TimeSpan timeout, T otherwise, Func<WireWriter, WireReader, T> ask)
    {
        try
        {
            using var late = new CancellationTokenSource(timeout);
            using var connection = connect(late.Token);
            using var deadline = EngineThread.After(timeout, connection.Abort);
            var writer = new WireWriter(connection.Output);
            Joining.Greet(writer);
            return ask(writer, new WireReader(connection.Input, MigrationSide.Destination));
        }
#pragma warning disable CA1031 // Whatever prevents an answer, there is none.
        catch (Exception)
#pragma warning restore CA1031
        {
            return otherwise;
        }
    }

    static SettleOutcome ReadOutcome(WireReader reader, Guid expected)
    {
        var (instance, outcome) = Joining.ReadOutcome(Joining.Read(reader, ReturnPathType.Outcome));
        return outcome switch
        {
            // Another process at the same address knows nothing of the one that had the guest.
            _ when instance != expected => SettleOutcome.Unknown,
            HandoverOutcome.Running => SettleOutcome.RunsThere,
            HandoverOutcome.Discarded => SettleOutcome.Discarded,
            _ => SettleOutcome.Unknown,
        };
    }

    /// <summary>SHUT, behind the figures of a guest that is whole or the reason of one that is not.</summary>
    static SettleOutcome ReadLastWord(WireReader reader)
    {
        var message = ReturnPathMessage.Read(reader);
        if (message.Type is ReturnPathType.PostcopyFigures or ReturnPathType.Failure) message = ReturnPathMessage.Read(reader);
        return message.Type switch
        {
            ReturnPathType.Shut when message.Value == 0 => SettleOutcome.RunsThere,
            ReturnPathType.Shut => SettleOutcome.Lost,
            _ => SettleOutcome.Unknown,
        };
    }
}
