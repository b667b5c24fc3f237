using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// JOIN with the purpose of a probe: what comes is counted and thrown away. Nobody is let in by it and no memory is taken; it ends by itself
/// (<see cref="ProbeBudget"/>), and such a connection makes room like any other that has come to no guest.
/// </summary>
sealed partial class IncomingMigration
{
    void ServeProbe()
    {
        var limit = _policy.Probes.TryBegin();
        try
        {
            // Before the answer, which may already wait for the link.
            using var late = limit is { } time ? EngineThread.After(time, Cut) : null;
            // From here on that is the limit, and not how long it may take to say who comes.
            if (limit is not null) _silence.Expect(null);
            _link.Send(ReturnPathMessage.Outcome(HandoverLedger.Instance, (byte)(limit is null ? HandoverOutcome.Unknown : HandoverOutcome.Running)));
            if (limit is null) return;
            while (TakeProbe(_link.Reader)) { }
            _isThrough = true;
        }
        finally
        {
            if (limit is not null) _policy.Probes.End();
        }
    }

    /// <summary>One frame; false at the end of the connection.</summary>
    bool TakeProbe(WireReader reader)
    {
        if (reader.IsAtEnd()) return false;
        var length = reader.UInt32();
        if (length > Handshake.MostProbeBytes) throw reader.Error(MigrationErrorId.InvalidLength, $"A part of a probe has {length} bytes.");
        if (length == 0) _link.Send(ReturnPathMessage.Pong(Handshake.FirstPing));
        else reader.ReadThrough(ProbeBytes.AsSpan(0, (int)length));
        return true;
    }

    byte[] ProbeBytes => field ??= GC.AllocateUninitializedArray<byte>(Handshake.MostProbeBytes);
}
