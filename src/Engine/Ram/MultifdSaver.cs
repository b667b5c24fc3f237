using System.Diagnostics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Ram;

/// <summary>
/// Sends pages through channels, each of which has a connection and a thread (multifd_send_* of QEMU). Full packets wait in one row, and
/// whichever channel is ready takes the next: a slow one takes fewer. The first failure of a channel ends all.
/// </summary>
sealed class MultifdSaver : IPageOutlets, IDisposable
{
    /// <summary>
    /// Packets of which one is sent and the others wait in the row, so that a channel never waits for the thread that gives, and that one
    /// can give several when it is woken.
    /// </summary>
    public const int BatchesPerChannel = 4;

    // A slow link does not make room for several so soon, and is given one after the other.
    static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(5);

    // Whatever they do, threads that are told to end and whose links are cut have ended by then.
    static readonly TimeSpan EndTime = TimeSpan.FromSeconds(5);

    readonly object _lock = new();
    readonly GuestMemory _memory;
    readonly Action<MigrationException> _failed;
    readonly MultifdDialect _dialect;
    readonly MultifdChannel[] _channels;
    readonly Thread[] _threads;
    readonly Queue<PageBatch> _ready;
    readonly Stack<PageBatch> _free;
    // What the thread that gives waits for: made once, for it waits again and again.
    readonly Func<bool> _hasFree;
    readonly Func<bool> _hasSeveral;
    readonly Func<bool> _isSent;
    readonly Func<bool> _isSynchronized;
    PageBatch? _filling;
    MigrationException? _error;
    long _packets;
    long _unsentPages;
    int _syncs;
    Func<bool>? _awaited;
    bool _isOver;

    /// <summary>Starts a thread for each connection.</summary>
    /// <param name="memory">Whose pages are sent; it stays mapped as long as a channel may read it.</param>
    /// <param name="connections">Each behind its init packet; this object's from here on, but where it throws the caller's to end.</param>
    /// <param name="dialect">What the other end expects.</param>
    /// <param name="encoders">Makes what compresses the pages of one channel; null sends them as they are.</param>
    /// <param name="failed">Called once, on a channel's thread, with what it failed of.</param>
    /// <param name="name">The guest, for the names of the threads.</param>
    public MultifdSaver(
        GuestMemory memory, IReadOnlyList<IConnection> connections, MultifdDialect dialect, Func<IPacketEncoder>? encoders,
        Action<MigrationException> failed, string name)
    {
        (_memory, _dialect, _failed) = (memory, dialect, failed);
        _channels = MakeChannels(connections, dialect, encoders);
        // One more is being filled.
        var batches = (BatchesPerChannel * _channels.Length) + 1;
        _ready = new(batches);
        _free = new(Enumerable.Range(0, batches).Select(_ => new PageBatch()));
        _threads = [.. _channels.Select((channel, number) =>
            EngineThread.Make($"migration channel {number} {name}", () => Run(channel), failed: Tell))];
        _hasFree = () => _free.Count > 0;
        _hasSeveral = () => _free.Count >= batches / 2;
        _isSent = () => _unsentPages == 0;
        _isSynchronized = () => Array.TrueForAll(_channels, channel => channel.Syncs == _syncs);
        for (var i = 0; i < _threads.Length; i++) Start(i);
    }

    public bool FindsZeros => _dialect.HasZeroPages;

    public bool MarksSections => _dialect.MarksSections;

    public long NormalPages => _channels.Sum(channel => channel.NormalPages);

    public long ZeroPages => _channels.Sum(channel => channel.ZeroPages);

    public long BytesSent
    {
        get
        {
            long sent = 0;
            foreach (var channel in _channels) sent += channel.BytesSent;
            return sent;
        }
    }

    public long BytesGiven
    {
        get { lock (_lock) return BytesSent + ((_unsentPages + (_filling?.Count ?? 0)) * GuestMemory.PageSize); }
    }

    /// <summary>Any thread may ask, again and again.</summary>
    public ChannelTimes Times
    {
        get
        {
            var sum = new ChannelTimes(_channels.Length, TimeSpan.Zero, TimeSpan.Zero, LinkWaits.WithoutLink(TimeSpan.Zero));
            foreach (var channel in _channels)
                sum = sum with { Processor = sum.Processor + channel.Processor, Idle = sum.Idle + channel.Idle, Waits = sum.Waits + channel.Waits };
            return sum;
        }
    }

    public void Send(RamBlock block, int word, ulong bits)
    {
        while (bits != 0)
        {
            if (_filling is { } other && other.Block != block) HandOver();
            _filling ??= TakeFree(block);
            bits = _filling.Add(word, bits);
            if (_filling.IsFull) HandOver();
        }
    }

    public void Drain()
    {
        HandOver();
        Await(_isSent);
    }

    public void Synchronize()
    {
        HandOver();
        lock (_lock)
        {
            _syncs++;
            Monitor.PulseAll(_lock);
        }
        Await(_isSynchronized);
    }

    /// <summary>Whether the other end of a channel has taken nothing for so long of what is on its way.</summary>
    public bool HasStalled(TimeSpan limit) => Array.Exists(_channels, channel => channel.HasStalled(limit));

    /// <summary>Cuts all links, from any thread, any number of times; whoever gives or waits gets an error.</summary>
    public void Abort() => Fail(LinkErrors.ClosedHere("the channels"));

    /// <summary>The channels end: in peace if none has failed, and all that was given has left.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _isOver = true;
            Monitor.PulseAll(_lock);
        }
        foreach (var thread in _threads) thread.Join(EndTime);
    }

    static MultifdChannel[] MakeChannels(IReadOnlyList<IConnection> connections, MultifdDialect dialect, Func<IPacketEncoder>? encoders)
    {
        var channels = new List<MultifdChannel>(connections.Count);
        try
        {
            foreach (var connection in connections) channels.Add(new(connection, dialect.HasZeroPages, encoders?.Invoke()));
            return [.. channels];
        }
        catch
        {
            // Their encoders hold memory that nothing else gives back.
            foreach (var channel in channels) channel.Dispose();
            throw;
        }
    }

    void Start(int number)
    {
        if (!_memory.TryAddReference()) throw new InvalidOperationException("The memory of the guest is gone.");
        try
        {
            _threads[number].Start();
        }
        catch
        {
            _memory.Release();
            Abort();
            foreach (var channel in _channels[number..]) channel.Dispose();
            throw;
        }
    }

    PageBatch TakeFree(RamBlock block)
    {
        lock (_lock)
        {
            if (_free.Count == 0) Await(_hasSeveral, Soon);
            Await(_hasFree);
            var batch = _free.Pop();
            batch.Begin(block);
            return batch;
        }
    }

    void HandOver()
    {
        if (_filling is not { } batch) return;
        lock (_lock)
        {
            if (_error is not null) throw _error;
            _filling = null;
            _unsentPages += batch.Count;
            _ready.Enqueue(batch);
            // Who gives does not wait, so whoever does is a channel.
            Monitor.Pulse(_lock);
        }
    }

    /// <summary>The thread that gives waits. Throws what a channel failed of.</summary>
    void Await(Func<bool> condition)
    {
        while (!Await(condition, Timeout.InfiniteTimeSpan))
        {
        }
    }

    /// <summary>The same, not longer than that; whether it is so.</summary>
    bool Await(Func<bool> condition, TimeSpan limit)
    {
        lock (_lock)
        {
            _awaited = condition;
            while (_error is null && !condition() && Monitor.Wait(_lock, limit))
            {
            }
            _awaited = null;
            if (_error is not null) throw _error;
            return condition();
        }
    }

    void Run(MultifdChannel channel)
    {
        try
        {
            while (TryTake(channel, out var batch))
            {
                var number = (ulong)Interlocked.Increment(ref _packets);
                if (batch is null) channel.SendSync(number);
                else channel.Send(batch, number);
                Done(channel, batch);
            }
        }
#pragma warning disable CA1031 // Whatever a channel fails of must reach the migration.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Tell(e);
        }
        finally
        {
            try
            {
                channel.Dispose();
            }
            finally
            {
                _memory.Release();
            }
        }
    }

    void Tell(Exception e)
    {
        var error = MigrationException.From(e, MigrationSide.Source, "A channel failed");
        if (Fail(error)) _failed(error);
    }

    /// <summary>The next batch, or null for SYNC; false at the end. What comes behind a SYNC is only given once all have sent it.</summary>
    bool TryTake(MultifdChannel channel, out PageBatch? batch)
    {
        lock (_lock)
        {
            while (true)
            {
                batch = null;
                if (_error is not null) return false;
                if (_ready.TryDequeue(out batch) || channel.Syncs < _syncs) return true;
                if (_isOver) return false;
                var since = Stopwatch.GetTimestamp();
                Monitor.Wait(_lock);
                channel.Idle += Stopwatch.GetElapsedTime(since);
            }
        }
    }

    void Done(MultifdChannel channel, PageBatch? batch)
    {
        lock (_lock)
        {
            if (batch is null)
            {
                channel.Syncs++;
            }
            else
            {
                _unsentPages -= batch.Count;
                _free.Push(batch);
            }
            if (_awaited is { } awaited && awaited()) Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Ends it for all; true for the first failure.</summary>
    bool Fail(MigrationException error)
    {
        lock (_lock)
        {
            if (_error is not null) return false;
            _error = error;
            Monitor.PulseAll(_lock);
        }
        foreach (var channel in _channels) channel.Abort();
        return true;
    }
}
