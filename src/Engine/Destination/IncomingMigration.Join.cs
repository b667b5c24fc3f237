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
    // How long one that joins waits before it cuts the link once more.
    static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(100);

    volatile bool _hasJoined;
    Guid _joined;
    bool _isThrough;
    int _joins;

    /// <summary>
    /// Whether it was only a question about another migration, or a further connection of one; or went away before it said what for, as a question does
    /// whose source ends meanwhile.
    /// </summary>
    public bool IsQuestion { get; private set; }

    /// <summary>A question has no channels: those that wait, and don't say whose they are, are another's.</summary>
    void BecomeQuestion()
    {
        IsQuestion = true;
        _channels?.Leave();
    }

    void ReadJoin(WireReader reader)
    {
        var id = new Guid(reader.Bytes(16));
        var purpose = (JoinPurpose)reader.Byte();
        BecomeQuestion();
        switch (purpose)
        {
            case JoinPurpose.Recovery:
                JoinMain(id);
                break;
            case JoinPurpose.Preempt:
                JoinPreempt(id);
                break;
            case JoinPurpose.GivenUp:
                JoinGivenUp(id);
                break;
            case JoinPurpose.Probe when _link.Extension >= Handshake.ProbeVersion:
                ServeProbe();
                break;
            case JoinPurpose.WriteRate when _link.Extension >= Handshake.WriteRateVersion:
                TellWriteRate(id);
                break;
            default:
                throw reader.Error(MigrationErrorId.InvalidValue, $"A connection can't join a migration for the purpose {(byte)purpose}.");
        }
    }

    /// <summary>Like a question, it is the end of a guest that waits for RUN: its source has it then, and no link to it.</summary>
    void JoinMain(Guid id)
    {
        var migration = Postcopies.Find(id);
        var outcome = OutcomeOf(id, migration);
        _link.Send(ReturnPathMessage.Outcome(HandoverLedger.Instance, (byte)outcome));
        if (outcome != HandoverOutcome.Running) return;
        // The migration looks after the connection from here on.
        _silence.Expect(null);
        if (migration?.TryTakeMain(_link.Connection, _link.Reader, _policy.FirstWordTimeout) != true) RepeatLastWords(id);
        // One that was not taken ends without a word: it may be tried again.
        _isThrough = true;
    }

    /// <summary>
    /// What became of a migration. The ledger forgets when many others follow; a postcopy may wait for hours, and a source that is told that
    /// nobody knows of its guest gives it up.
    /// </summary>
    HandoverOutcome OutcomeOf(Guid id, IncomingMigration? migration)
    {
        var outcome = migration switch
        {
            not null when IsBareTo(migration) => HandoverOutcome.Unknown,
            { _postcopy: PostcopyStep.Running } => HandoverOutcome.Running,
            _ when Postcopies.LastWords(id).Length > 0 => HandoverOutcome.Running,
            _ => HandoverLedger.Ask(id),
        };
        if (outcome == HandoverOutcome.Running) BelongTo(id);
        return outcome;
    }

    /// <summary>It is one of that migration's connections until it ends. Throws DestinationRefused when there are too many: nobody else limits them.</summary>
    void BelongTo(Guid id)
    {
        if (!Postcopies.TryJoin(id))
            throw new MigrationException(MigrationErrorId.DestinationRefused, MigrationSide.Destination, "Too many connections at one time belong to one migration.");
        (_joined, _hasJoined) = (id, true);
    }

    /// <summary>Whether this connection came without TLS, and the migration came with it: then it has no say in that, whatever it knows.</summary>
    bool IsBareTo(IncomingMigration migration) => migration._policy.RequiresTls && !_policy.RequiresTls;

    void JoinPreempt(Guid id)
    {
        var migration = Postcopies.Find(id);
        if (migration is not null && IsBareTo(migration)) migration = null;
        if (migration is not null) BelongTo(id);
        // The main stream may be on its way to its blocks. The other end says nothing while it waits for that, and may not be cut before its answer.
        _silence.Expect(null);
        var isWelcome = migration?.AwaitPreemptible(_policy.FirstWordTimeout) == true;
        if (!isWelcome) _silence.Expect(_policy.FirstWordTimeout);
        _link.Send(ReturnPathMessage.Outcome(HandoverLedger.Instance, (byte)(isWelcome ? HandoverOutcome.Running : HandoverOutcome.Unknown)));
        if (!isWelcome) return;
        migration!.TryServePreempt(_link.Connection, _link.Reader);
        _isThrough = true;
    }

    /// <summary>The source will not come back: the guest is whole already, or lost, and the source is told which.</summary>
    void JoinGivenUp(Guid id)
    {
        var migration = Postcopies.Find(id);
        var outcome = OutcomeOf(id, migration);
        _link.Send(ReturnPathMessage.Outcome(HandoverLedger.Instance, (byte)outcome));
        if (outcome != HandoverOutcome.Running) return;
        _silence.Expect(null);
        migration?.EndWithSource();
        Postcopies.AwaitOver(id, _policy.FirstWordTimeout);
        RepeatLastWords(id);
        _isThrough = true;
    }

    /// <summary>Changes nothing, unlike <see cref="OutcomeOf"/>.</summary>
    void TellWriteRate(Guid id)
    {
        var isHere = ArrivedGuests.TryGetWriteRate(id, _policy.RequiresTls, out var rate);
        _link.Send(ReturnPathMessage.Outcome(HandoverLedger.Instance, (byte)(isHere ? HandoverOutcome.Running : HandoverOutcome.Unknown)));
        if (!isHere) return;
        _link.Send(ReturnPathMessage.WriteRate(rate));
        _isThrough = true;
    }

    void EndWithSource()
    {
        if (_postcopy != PostcopyStep.Running) return;
        _brokenOff = "its source gave it up";
        BreakOff();
    }

    /// <summary>It is over, and its source has not heard how it ended. What the source says before it hears that is of no interest.</summary>
    void RepeatLastWords(Guid id)
    {
        // Whatever it says: nobody stays here by talking.
        using var silence = new SilenceWatch(() => 0, Cut, _policy.FirstWordTimeout);
        var words = Postcopies.LastWords(id);
        if (words.Length == 0) return;
        _link.TrySend(words);
        while (!_link.Reader.IsAtEnd()) _link.Reader.Skip(_link.Reader.Peek(1).Length);
    }

    /// <summary>
    /// Goes on over a connection that has joined. When there is still a link, which may be gone for the other end only, that is cut, and so is
    /// one that joined before. Returns when the migration is through with the connection. False when it does not want it. Any thread.
    /// </summary>
    bool TryTakeMain(IConnection connection, WireReader reader, TimeSpan wait)
    {
        var number = Interlocked.Increment(ref _joins);
        for (var deadline = new Deadline(wait); _postcopy == PostcopyStep.Running && !_pause.IsClosed && !deadline.IsOver;)
        {
            if (number != Volatile.Read(ref _joins)) return false;
            _link.Connection.Abort();
            if (_pause.TryOffer(connection, reader, Slice)) return true;
        }
        return false;
    }

    /// <summary>From here on connections can join it, before its source is told to come.</summary>
    void BeJoinable()
    {
        if (_link.Extension >= Handshake.PostcopyVersion && _arrival is OurArrival ours) Postcopies.Enter(ours.Migration, this);
    }

    void EndJoining()
    {
        if (_hasJoined) Postcopies.Part(_joined);
        if (_arrival is OurArrival ours) Postcopies.Leave(ours.Migration, this, ours.LastWords);
        _pause.Close();
        TellPreempt();
    }
}
