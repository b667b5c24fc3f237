using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// JOIN: a further connection of a source of ours says which migration it belongs to. Until then it is a main stream like any other; its
/// thread then serves the migration that it joined, or waits until that is through with it.
/// </summary>
sealed partial class IncomingMigration
{
    bool _hasJoined;

    /// <summary>Whether it was only a question about another migration, or a further connection of one.</summary>
    public bool IsQuestion { get; private set; }

    void ReadJoin(WireReader reader)
    {
        var id = new Guid(reader.Bytes(16));
        var purpose = (JoinPurpose)reader.Byte();
        IsQuestion = true;
        switch (purpose)
        {
            case JoinPurpose.Recovery:
                JoinMain(id);
                break;
            case JoinPurpose.Preempt:
                JoinPreempt(id);
                break;
            default:
                throw reader.Error(MigrationErrorId.InvalidValue, $"A connection can't join a migration for the purpose {(byte)purpose}.");
        }
    }

    /// <summary>Like a question, it is the end of a guest that waits for RUN: its source has it then, and no link to it.</summary>
    void JoinMain(Guid id)
    {
        var outcome = HandoverLedger.Ask(id);
        _link.Send(ReturnPathMessage.Outcome(HandoverLedger.Instance, (byte)outcome));
        if (outcome != HandoverOutcome.Running) return;
        // The migration looks after the connection from here on.
        _silence.Expect(null);
        _hasJoined = Postcopies.Find(id)?.TryTakeMain(_link.Connection, _link.Reader, _policy.FirstWordTimeout) == true;
        if (!_hasJoined) RepeatLastWords(id);
    }

    void JoinPreempt(Guid id)
    {
        var migration = Postcopies.Find(id);
        var isWelcome = migration?._ram.Ram is not null;
        _link.Send(ReturnPathMessage.Outcome(HandoverLedger.Instance, (byte)(isWelcome ? HandoverOutcome.Running : HandoverOutcome.Unknown)));
        if (!isWelcome) return;
        _silence.Expect(null);
        _hasJoined = migration!.TryServePreempt(_link.Connection, _link.Reader);
    }

    /// <summary>It is over, and its source has not heard how it ended. What the source says before it hears that is of no interest.</summary>
    void RepeatLastWords(Guid id)
    {
        _silence.Expect(_policy.FirstWordTimeout);
        var words = Postcopies.LastWords(id);
        if (words.Length == 0) return;
        _link.TrySend(words);
        while (!_link.Reader.IsAtEnd()) _link.Reader.Skip(_link.Reader.Peek(1).Length);
    }

    /// <summary>
    /// Goes on over a connection that has joined. When there is still a link, which may be gone for the other end only, that is cut. Returns
    /// when the migration is through with the connection. False when it does not want it. Any thread.
    /// </summary>
    bool TryTakeMain(IConnection connection, WireReader reader, TimeSpan wait)
    {
        if (_postcopy != PostcopyStep.Running) return false;
        _link.Connection.Abort();
        return _pause.TryOffer(connection, reader, wait);
    }

    /// <summary>From here on connections can join it, if they can at all.</summary>
    void BeJoinable()
    {
        if (_arrival is OurArrival ours && _postcopy != PostcopyStep.None) Postcopies.Enter(ours.Migration, this);
    }

    void EndJoining()
    {
        if (_arrival is OurArrival ours) Postcopies.Leave(ours.Migration, this, ours.LastWords);
    }
}
