using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Destination;

/// <summary>The preempt channel of a postcopy: pages that the guest waits for, past those that are pushed.</summary>
sealed partial class IncomingMigration
{
    static readonly TimeSpan PreemptGrace = TimeSpan.FromSeconds(5);
    readonly object _preemptLock = new();
    readonly List<IConnection> _preempts = [];
    volatile MigrationException? _preemptError;
    // Since the last recovery.
    bool _wasPreempted;

    /// <summary>
    /// Reads the preempt channel of this postcopy to its end: page records alone, with a block of their own that goes on. What is wrong in
    /// it ends the migration. A link that breaks does not: what it did not bring comes after a recovery, for which the main channel of a source
    /// of ours is cut too, since that may not know. False when there is no RAM yet. Any thread.
    /// </summary>
    /// <param name="connection">The connection.</param>
    /// <param name="reader">What has read from it already; null when nothing has.</param>
    public bool TryServePreempt(IConnection connection, WireReader? reader = null)
    {
        if (_ram.Ram is not { } ram || !ram.Memory.TryAddReference()) return false;
        lock (_preemptLock)
        {
            // Nobody would cut it any more.
            if (_pause.IsClosed)
            {
                ram.Memory.Release();
                return false;
            }
            // Of ours there is one at a time: the one before has been given up by the other end.
            if (_link.IsOurs) DropPreempt();
            _preempts.Add(connection);
            _wasPreempted = true;
        }
        try
        {
            ReadPreempt(reader ?? new WireReader(connection.Input, MigrationSide.Source), ram);
        }
        catch (MigrationException e) when (IsLinkGone(e))
        {
            bool isMissed;
            lock (_preemptLock) isMissed = _preempts.Contains(connection);
            if (isMissed && _link.IsOurs && _postcopy == PostcopyStep.Running) _link.Connection.Abort();
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
                _preempts.Remove(connection);
                Monitor.PulseAll(_preemptLock);
            }
            ram.Memory.Release();
        }
        return true;
    }

    /// <summary>Whether pages may come through a preempt channel from LISTEN on; waits until that is known, at most so long.</summary>
    bool AwaitPreemptible(TimeSpan wait)
    {
        var deadline = new Deadline(wait);
        lock (_preemptLock)
            while (_ram.Ram is null && !_pause.IsClosed && !deadline.IsOver) Monitor.Wait(_preemptLock, deadline.Left);
        return _ram.Ram is not null && _postcopy != PostcopyStep.None && !_pause.IsClosed;
    }

    void TellPreempt()
    {
        lock (_preemptLock) Monitor.PulseAll(_preemptLock);
    }

    void ReadPreempt(WireReader reader, ArrivingRam ram)
    {
        var records = new PageRecords { Ram = ram, AcceptsRuns = _ram.AcceptsRuns };
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

    /// <summary>
    /// Pages that were sent before the end, through the preempt channel, may come after it. Throws ConnectionLost when some of a source of ours
    /// did not: it sends them again after a recovery.
    /// </summary>
    void AwaitPreempted()
    {
        var deadline = new Deadline(PreemptGrace);
        lock (_preemptLock)
            while (_preempts.Count > 0 && _ram.Ram!.MissingPages > 0 && !deadline.IsOver) Monitor.Wait(_preemptLock, deadline.Left);
        if (_preemptError is not null) throw _preemptError;
        if (_wasPreempted && _link.IsOurs && _ram.Ram!.MissingPages > 0)
            throw new MigrationException(MigrationErrorId.ConnectionLost, MigrationSide.Link, "Pages that were sent through the preempt channel have not come.");
    }

    /// <summary>They end with the main channel; a recovery brings another one.</summary>
    void DropPreempt()
    {
        lock (_preemptLock)
        {
            foreach (var preempt in _preempts) preempt.Abort();
            _preempts.Clear();
            _wasPreempted = false;
        }
    }
}
