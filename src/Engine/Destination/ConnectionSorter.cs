using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// Finds out what each accepted connection is (migration_ioc_process_incoming of QEMU), and brings it to its migration: a main stream
/// begins one, a multifd channel waits for it, a recovery and a preempt channel go to a postcopy. Each connection has a thread of its own, from the first byte to the last. Thread-safe.
/// </summary>
/// <param name="policy">What is accepted.</param>
/// <param name="log">Is told what came of it.</param>
/// <param name="isMoreComing">Whether connections wait to be accepted.</param>
sealed class ConnectionSorter(IncomingPolicy policy, IArrivalLog log, Func<bool> isMoreComing)
{
    // From one address. Each postcopy has one, and no more than so many migrations are under way by default; without a limit one
    // postcopy could fill the receiver with them.
    const int MaxSilent = 64;

    readonly object _lock = new();
    readonly HashSet<ArrivedConnection> _connections = [];
    readonly PostcopyLinks _postcopies = new(policy.FirstWordTimeout);
    ChannelPool? _pool;
    Newcomers? _newcomers;
    bool _isStopped;

    ChannelPool Pool => LazyInitializer.EnsureInitialized(ref _pool, () => new ChannelPool(policy.FirstWordTimeout, IsComing));

    Newcomers Newcomers => LazyInitializer.EnsureInitialized(ref _newcomers, () => new Newcomers(policy.MaxConnections, Newcomers.Least, IsHeld, IsKept));

    /// <summary>Waits until there is room for one more. False once it is stopped.</summary>
    public bool AwaitRoom()
    {
        ArrivedConnection? leaves = null;
        lock (_lock)
        {
            while (!_isStopped && Newcomers.MustWait(_connections, out var wait, out leaves)) Monitor.Wait(_lock, wait);
            if (_isStopped) return false;
        }
        leaves?.Leave();
        if (leaves is not null) Pool.Wake();
        return true;
    }

    /// <summary>A connection was accepted; <see cref="Serve"/> has to follow.</summary>
    public void Add(ArrivedConnection arrived)
    {
        lock (_lock)
        {
            _connections.Add(arrived);
            if (_isStopped) arrived.Connection.Abort();
        }
    }

    /// <summary>It is over, or nobody serves it.</summary>
    public void Remove(ArrivedConnection arrived)
    {
        EngineThread.Guard(arrived.Connection.Dispose, failed: null);
        lock (_lock)
        {
            _connections.Remove(arrived);
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Deals with a connection to its end, on the caller's thread. Never throws.</summary>
    public void Serve(ArrivedConnection arrived)
    {
        try
        {
            if (arrived.Connection is TlsConnection tls) Greet(arrived, tls);
            var kind = Sort(arrived);
            if (arrived.IsEvicted) throw Newcomers.Evicted(arrived);
            switch (kind)
            {
                case ConnectionKind.Tls:
                    throw new MigrationException(MigrationErrorId.TlsNotSpoken, MigrationSide.Source, "The source speaks TLS, and this receiver does not.");
                case ConnectionKind.Multifd:
                    ServeChannel(arrived);
                    break;
                case ConnectionKind.Recovery:
                    _postcopies.Recover(arrived);
                    break;
                case ConnectionKind.Preempt:
                    _postcopies.Preempt(arrived);
                    break;
                case ConnectionKind.Nothing when IsQuiet(arrived):
                    break;
                default:
                    ServeMain(arrived);
                    break;
            }
        }
#pragma warning disable CA1031 // A receiver outlives whatever a connection does.
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (arrived.IsEvicted) log.Refused(arrived, Newcomers.Evicted(arrived));
            else if (arrived.IsSorted || !IsQuiet(arrived)) log.Refused(arrived, MigrationException.From(e, MigrationSide.Destination, "A connection failed"));
        }
        finally
        {
            Remove(arrived);
        }
    }

    /// <summary>Cuts all connections, those that come yet too, and waits for at most so long until they have ended.</summary>
    public void Stop(TimeSpan wait)
    {
        lock (_lock)
        {
            _isStopped = true;
            foreach (var arrived in _connections) arrived.Connection.Abort();
            Monitor.PulseAll(_lock);
        }
        Pool.Close();
        var until = Environment.TickCount64 + (long)wait.TotalMilliseconds;
        lock (_lock)
            while (_connections.Count > 0 && Environment.TickCount64 < until) Monitor.Wait(_lock, 100);
    }

    ConnectionKind Sort(ArrivedConnection arrived)
    {
        var moments = 0L;
        // A migration that may have it as its preempt channel keeps it.
        var kind = InTime(arrived, () => FirstWord.Peek(arrived.Connection.Input), () => IsKept(arrived) ? ++moments : moments);
        arrived.IsSorted = true;
        return kind;
    }

    /// <summary>The greeting of TLS, in the time for a first word; a source that is refused is told why.</summary>
    void Greet(ArrivedConnection arrived, TlsConnection tls)
    {
        var said = 0u;
        try
        {
            InTime(arrived, () =>
            {
                tls.Accept(out said);
                return true;
            });
        }
        catch (MigrationException e)
        {
            if (e.Id == MigrationErrorId.CertificateRejected) TellWhy(tls, e);
            if (e.Id == MigrationErrorId.TlsRequired && said == StreamConstants.Magic) TellWhy(tls.Plain, e);
            throw;
        }
    }

    /// <summary>Nothing was read, so whether it is one of ours is not known; a QEMU fails of either word.</summary>
    void TellWhy(IConnection connection, MigrationException reason)
    {
        using var silence = new SilenceWatch(() => 0, connection.Abort, policy.FirstWordTimeout);
        try
        {
            var back = new WireWriter(connection.Output);
            ReturnPathMessage.Failure(reason.Id, reason.Message).Write(back);
            ReturnPathMessage.Shut(1).Write(back);
            back.Flush();
        }
        catch (MigrationException)
        {
            // It does not listen.
        }
    }

    void ServeMain(ArrivedConnection arrived)
    {
        var incoming = new IncomingMigration(arrived.Connection, policy, new MultifdChannels(Pool, arrived, policy.Channels));
        arrived.Migration = incoming;
        _postcopies.Join(arrived, incoming);
        log.Begins(incoming);
        try
        {
            incoming.Run();
        }
        finally
        {
            lock (_lock)
                foreach (var silent in _connections.Where(other => !other.IsSorted)) _postcopies.IsAwaited(silent);
            _postcopies.Leave(incoming);
            log.Ended(incoming);
        }
    }

    void ServeChannel(ArrivedConnection arrived)
    {
        var reader = new WireReader(arrived.Connection.Input, MigrationSide.Source);
        var channel = new WaitingChannel(arrived, reader, InTime(arrived, () => MultifdInit.Read(reader)));
        if (Pool.Await(channel)) channel.Owner!.Serve(channel);
        else if (arrived.IsEvicted) throw Newcomers.Evicted(arrived);
    }

    /// <summary>Reads what a connection has to say at first; one that does not come to it is cut. Throws PeerSilent, ConnectionLost.</summary>
    /// <param name="arrived">The connection.</param>
    /// <param name="read">What reads.</param>
    /// <param name="excuses">The time begins anew whenever this grows.</param>
    T InTime<T>(ArrivedConnection arrived, Func<T> read, Func<long>? excuses = null)
    {
        using var silence = new SilenceWatch(excuses ?? (() => 0), arrived.Connection.Abort, policy.FirstWordTimeout);
        if (excuses is not null) silence.Expect(policy.FirstWordTimeout);
        try
        {
            return read();
        }
        catch (MigrationException e) when (silence.HasCut)
        {
            throw new MigrationException(MigrationErrorId.PeerSilent, MigrationSide.Source, "The source says nothing.", e);
        }
    }

    /// <summary>Whether one that has not said a word yet may go on with that, as the preempt channel of a postcopy.</summary>
    bool IsKept(ArrivedConnection arrived)
    {
        lock (_lock)
        {
            if (arrived.IsSorted || !_postcopies.MayAwait(arrived)) return false;
            if (!arrived.MayBePreempt && _connections.Count(other => other is { IsSorted: false, MayBePreempt: true } && other.Host == arrived.Host) >= MaxSilent)
                return false;
            return _postcopies.IsAwaited(arrived);
        }
    }

    /// <summary>Whether it has come to a guest, or belongs to a migration that is under way. Behind the lock.</summary>
    bool IsHeld(ArrivedConnection arrived) =>
        arrived.IsTaken || arrived.Migration is { IsKnown: true } || (arrived is { IsSorted: false, MayBePreempt: true } && _postcopies.MayAwait(arrived));

    /// <summary>Whether one that never said a word may have been a preempt channel, which is in order.</summary>
    bool IsQuiet(ArrivedConnection arrived) => _postcopies.IsAwaited(arrived) || arrived.MayBePreempt;

    bool IsComing(string host)
    {
        if (isMoreComing()) return true;
        lock (_lock) return _connections.Any(arrived => !arrived.IsSorted && arrived.Host == host && arrived.Age < ChannelPool.Grace);
    }
}
