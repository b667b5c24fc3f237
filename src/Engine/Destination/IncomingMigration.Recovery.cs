using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Destination;

/// <summary>What happens to a postcopy beside its main stream: lost links and recovery, and the preempt channel.</summary>
sealed partial class IncomingMigration
{
    readonly PostcopyPause _pause = new();
    static readonly TimeSpan PreemptGrace = TimeSpan.FromSeconds(5);
    readonly object _preemptLock = new();
    MigrationException? _preemptError;
    int _preempting;

    /// <summary>Whether it is a postcopy that waits for a recovery.</summary>
    public bool IsPaused => _pause.IsWaiting;

    /// <summary>Whether the source has said that there may be a postcopy, so that a preempt channel may come. Any thread may ask.</summary>
    public bool IsPostcopyAdvised => _postcopy != PostcopyStep.None;

    /// <summary>
    /// Whether it is a postcopy that could use a recovery or a preempt channel: the source's guest has been handed over, and pages are
    /// missing. Any thread may ask.
    /// </summary>
    public bool IsPostcopy => Status is MigrationStatus.PostcopyActive or MigrationStatus.PostcopyPaused or MigrationStatus.PostcopyRecover;

    /// <summary>
    /// Goes on over a new main channel, whose first record is a command, after its link broke; it waits for at most so long until it has
    /// noticed that. Returns when the migration is through with the connection. False when it does not want it. Any thread.
    /// </summary>
    public bool TryRecover(IConnection connection, TimeSpan wait) => IsPostcopy && _pause.TryOffer(connection, wait);

    /// <summary>
    /// Reads the preempt channel of this postcopy to its end: page records alone, with a block of their own that goes on. What is wrong in
    /// it ends the migration; a link that breaks does not. False when there is no RAM yet. Any thread.
    /// </summary>
    public bool TryServePreempt(IConnection connection)
    {
        if (_ram.Ram is not { } ram || !ram.Memory.TryAddReference()) return false;
        lock (_preemptLock) _preempting++;
        try
        {
            ReadPreempt(connection, ram);
        }
        catch (MigrationException e) when (IsLinkGone(e))
        {
            // The pages that it did not bring come again after a recovery.
        }
        catch (MigrationException e)
        {
            _preemptError = e;
            BreakOff();
        }
        finally
        {
            lock (_preemptLock)
            {
                _preempting--;
                Monitor.PulseAll(_preemptLock);
            }
            ram.Memory.Release();
        }
        return true;
    }

    void ReadPreempt(IConnection connection, ArrivingRam ram)
    {
        var reader = new WireReader(connection.Input, MigrationSide.Source);
        var records = new PageRecords { Ram = ram };
        while (!reader.IsAtEnd())
        {
            var word = reader.UInt64();
            // Machines up to 7.2 end it so, later ones by closing.
            if (word == RamFlags.Eos) return;
            if (!ram.KeepsFirst) throw reader.Error(MigrationErrorId.OutOfOrder, "A page comes through the preempt channel before postcopy.");
            if (!records.TryRead(reader, word)) throw reader.Error(MigrationErrorId.InvalidValue, $"RAM record 0x{word:x16} can't be.");
            lock (_preemptLock) Monitor.PulseAll(_preemptLock);
        }
    }

    /// <summary>Pages that were sent before the end, through the preempt channel, may come after it.</summary>
    void AwaitPreempted()
    {
        var deadline = new Deadline(PreemptGrace);
        lock (_preemptLock)
            while (_preempting > 0 && _ram.Ram!.MissingPages > 0 && !deadline.IsOver) Monitor.Wait(_preemptLock, deadline.Left);
        if (_preemptError is not null) throw _preemptError;
    }

    /// <summary>The records of the main channel to their end, over as many connections as it takes.</summary>
    void ReadRecords()
    {
        while (true)
        {
            try
            {
                while (ReadRecord())
                {
                }
                return;
            }
            catch (MigrationException e) when (_postcopy == PostcopyStep.Running && IsLinkGone(e) && _preemptError is null)
            {
                Recover(e);
            }
        }
    }

    /// <summary>Keeps all that has come, and waits for the source. Throws when it does not come back.</summary>
    void Recover(MigrationException lost)
    {
        Status = MigrationStatus.PostcopyPaused;
        _silence.Expect(null);
        _link.Connection.Dispose();
        if (_pause.Await(_policy.RecoverTimeout) is not { } connection)
            throw new MigrationException(MigrationErrorId.ConnectionLost, MigrationSide.Link,
                $"The link broke in postcopy with {_ram.Ram!.MissingPages} pages missing, and no recovery came. Whether the guest is still at its source, only the source can tell.",
                lost);
        _link.Replace(connection);
        Status = MigrationStatus.PostcopyRecover;
        _silence.Expect(_policy.IdleTimeout);
    }

    static bool IsLinkGone(MigrationException e) =>
        e.Side == MigrationSide.Link || e.Id is MigrationErrorId.UnexpectedEnd or MigrationErrorId.ConnectionLost;
}
