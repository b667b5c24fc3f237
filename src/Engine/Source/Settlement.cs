using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Source;

/// <summary>Asks a destination over a new connection what became of a migration.</summary>
static class Settlement
{
    public static SettleOutcome Ask(
        Func<CancellationToken, IConnection> connect, Guid migration, Guid instance, TimeSpan timeout)
    {
        try
        {
            using var late = new CancellationTokenSource(timeout);
            using var connection = connect(late.Token);
            using var deadline = new Timer(_ => connection.Abort(), null, timeout, Timeout.InfiniteTimeSpan);
            var writer = new WireWriter(connection.Output);
            var reader = new WireReader(connection.Input, MigrationSide.Destination);
            StreamHeader.Write(writer, StreamConstants.MachineNone);
            CommandRecord.Write(writer, CommandType.OpenReturnPath);
            CommandRecord.WritePing(writer, Handshake.ExtensionPing);
            writer.Flush();
            if (!Handshake.IsOurAnswer(Read(reader, ReturnPathType.Pong).Value)) return SettleOutcome.Unknown;
            CommandRecord.Write(writer, CommandType.QueryOutcome, migration.ToByteArray());
            writer.Flush();
            var answer = Read(reader, ReturnPathType.Outcome).Payload;
            // Another process at the same address knows nothing of the one that had the guest.
            if (new Guid(answer.AsSpan(0, 16)) != instance) return SettleOutcome.Unknown;
            return (HandoverOutcome)answer[16] switch
            {
                HandoverOutcome.Running => SettleOutcome.RunsThere,
                HandoverOutcome.Discarded => SettleOutcome.Discarded,
                _ => SettleOutcome.Unknown,
            };
        }
#pragma warning disable CA1031 // Whatever prevents an answer, the guest stays in doubt.
        catch (Exception)
#pragma warning restore CA1031
        {
            return SettleOutcome.Unknown;
        }
    }

    static ReturnPathMessage Read(WireReader reader, ReturnPathType type)
    {
        var message = ReturnPathMessage.Read(reader);
        return message.Type == type ? message : throw reader.Error(MigrationErrorId.OutOfOrder, $"{type} was expected, not {message.Type}.");
    }
}
