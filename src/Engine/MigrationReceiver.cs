using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine;

/// <summary>Listens for migrations and takes guests in; each connection has its own thread. Thread-safe.</summary>
public sealed class MigrationReceiver : IDisposable, IArrivalLog
{
    // Arrivals that are remembered; the counters go on.
    const int Kept = 1000;

    // When a connection could not be served: what the system lacks may be there soon.
    static readonly TimeSpan AcceptPause = TimeSpan.FromMilliseconds(10);

    readonly object _lock = new();
    readonly ConnectionListener _listener;
    readonly ReceiverOptions _options;
    readonly ConnectionSorter _sorter;
    readonly CancellationTokenSource _stopping = new();
    readonly IncomingPolicy _policy;
    readonly long _mostMemory;
    readonly List<IncomingMigration> _active = [];
    readonly List<MigrationArrival> _arrivals = [];
    int _forgotten;
    int _taken;
    bool _isStopped;

    MigrationReceiver(int id, ReceiverOptions options)
    {
        Id = id;
        _options = options.Validate();
        _listener = ConnectionListener.Listen(options.Uri, backlog: 512, tls: options.Tls is { } tls ? new TlsCredentials(tls, isServer: true) : null);
        _mostMemory = options.MostMemory;
        _policy = options.ToPolicy(_stopping.Token);
        _sorter = new ConnectionSorter(_policy, this, () => _listener.HasPending);
        Rehearsal.Begin();
        Readiness.Prepare();
        EngineThread.Start($"migration receiver {Uri}", AcceptLoop, failed: null);
    }

    /// <summary>
    /// Starts to listen; returns when it is ready for its first migration, which in a new process takes a moment. Throws AddressInUse,
    /// ListenFailed, InsecureAddress, UnsupportedUri.
    /// </summary>
    public static MigrationReceiver Start(ReceiverOptions options)
    {
        var receiver = ReceiverRegistry.Add(id => new MigrationReceiver(id, options));
        Rehearsal.Await();
        Readiness.Await();
        return receiver;
    }

    /// <summary>Its number in this process; migrations and receivers share one row of numbers.</summary>
    public int Id { get; }

    /// <summary>Where it listens, with the real port.</summary>
    public MigrationUri Uri => _listener.Uri;

    /// <summary>The host that arriving guests live on.</summary>
    public string HostName => _options.HostName;

    /// <summary>Whether it listens.</summary>
    public ReceiverStatus Status
    {
        get { lock (_lock) return _isStopped ? ReceiverStatus.Stopped : ReceiverStatus.Listening; }
    }

    /// <summary>Migrations that are under way; further channels of one, and connections that have not said what they are, don't count.</summary>
    public int ActiveCount
    {
        get { lock (_lock) return _active.Count(incoming => !incoming.IsQuestion); }
    }

    /// <summary>
    /// Postcopies that are under way: their guests have been handed over, and pages of them are still at their sources. They are lost when
    /// the receiver is stopped.
    /// </summary>
    public int PostcopyCount
    {
        get { lock (_lock) return _active.Count(incoming => incoming.IsPostcopy); }
    }

    /// <summary>Guests taken in.</summary>
    public int ArrivedCount { get; private set; }

    /// <summary>Migrations that failed.</summary>
    public int FailedCount { get; private set; }

    /// <summary>Ended migrations, oldest first; the last thousand.</summary>
    public MigrationArrival[] Arrivals
    {
        get { lock (_lock) return [.. _arrivals]; }
    }

    /// <summary>The next ended migration that nobody took yet, waiting at most so long. False at once when it is stopped.</summary>
    public bool TryTakeArrival([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out MigrationArrival? arrival, TimeSpan wait)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        lock (_lock)
        {
            arrival = null;
            while (_taken >= _forgotten + _arrivals.Count)
            {
                var left = wait - clock.Elapsed;
                if (_isStopped || left <= TimeSpan.Zero) return false;
                Monitor.Wait(_lock, MigrationParameters.Bounded(left));
            }
            _taken = Math.Max(_taken, _forgotten);
            arrival = _arrivals[_taken++ - _forgotten];
            return true;
        }
    }

    /// <summary>The full picture, now.</summary>
    public ReceiverState GetState()
    {
        lock (_lock)
            return new ReceiverState
            {
                Id = Id,
                Uri = Uri,
                HostName = HostName,
                Status = _isStopped ? ReceiverStatus.Stopped : ReceiverStatus.Listening,
                ActiveCount = ActiveCount,
                ArrivedCount = ArrivedCount,
                FailedCount = FailedCount,
                WaitingCount = _policy.Room.Waiting,
                MaxMemory = _mostMemory,
                AllowedName = [.. _options.AllowedName],
                MaxMigrations = _options.MaxMigrations,
                MaxConnections = _options.MaxConnections,
                FirstWordTimeout = _options.FirstWordTimeout,
                IdleTimeout = _options.IdleTimeout,
                RunTimeout = _options.RunTimeout,
                RecoverTimeout = _options.RecoverTimeout,
                AcceptTimeout = _options.Accept is null ? null : _options.AcceptTimeout,
                UsesTls = _options.Tls is not null,
                Incoming = [.. _active.Where(incoming => !incoming.IsQuestion).Select(Describe)],
                Timestamp = WallClock.Now,
            };
    }

    /// <summary>
    /// Stops to listen and breaks off what is under way; guests that arrived stay. Throws InvalidState while a postcopy is under way: its
    /// guest would be lost.
    /// </summary>
    /// <param name="force">Lose such guests.</param>
    public void Stop(bool force = false)
    {
        List<IncomingMigration> active;
        lock (_lock)
        {
            if (_isStopped) return;
            if (!force) CheckNoneIsLost();
            _isStopped = true;
            active = [.. _active];
            Monitor.PulseAll(_lock);
        }
        _listener.Dispose();
        foreach (var incoming in active) incoming.Abort(force);
        AwaitLost();
        _stopping.Cancel();
        _options.Stopped?.Invoke();
        _sorter.Stop(TimeSpan.FromSeconds(5));
        ReceiverRegistry.Remove(this);
    }

    /// <summary>Stops it, whatever is under way.</summary>
    public void Dispose() => Stop(force: true);

    // Behind the lock.
    void CheckNoneIsLost()
    {
        var names = _active.Where(incoming => incoming.IsPostcopy).Select(incoming => incoming.Name).ToArray();
        if (names.Length == 0) return;
        throw new MigrationException(MigrationErrorId.InvalidState, MigrationSide.User,
            $"Receiver {Id} can't be stopped: pages of {string.Join(", ", names)} are still at the source (postcopy), and would be lost. With -Force it is stopped all the same.");
    }

    /// <summary>Sources of guests that are lost are told so before their links are cut.</summary>
    void AwaitLost()
    {
        var until = Environment.TickCount64 + 2000;
        lock (_lock)
            while (_active.Exists(incoming => incoming.IsPostcopy) && Environment.TickCount64 < until) Monitor.Wait(_lock, 100);
    }

    void AcceptLoop()
    {
        // The others wait in the system's queue meanwhile.
        while (_listener.Accept() is { } connection)
        {
            if (!_sorter.AwaitRoom())
            {
                connection.Dispose();
                return;
            }
            var arrived = new ArrivedConnection(connection);
            _sorter.Add(arrived);
            try
            {
                EngineThread.Start($"incoming {Uri}", () => _sorter.Serve(arrived), failed: null);
            }
#pragma warning disable CA1031 // Whatever one connection did, or the system: the next may do better.
            catch (Exception)
#pragma warning restore CA1031
            {
                // No thread for this one; the next may find one.
                _sorter.Remove(arrived);
                Thread.Sleep(AcceptPause);
            }
        }
    }

    void IArrivalLog.Begins(IncomingMigration incoming)
    {
        lock (_lock)
        {
            _active.Add(incoming);
            if (_isStopped) incoming.Abort();
        }
    }

    void IArrivalLog.Ended(IncomingMigration incoming)
    {
        lock (_lock)
        {
            _active.Remove(incoming);
            if (!incoming.IsQuestion) Keep(Describe(incoming));
            Monitor.PulseAll(_lock);
        }
    }

    void IArrivalLog.Refused(ArrivedConnection arrived, MigrationException error)
    {
        lock (_lock)
        {
            Keep(new MigrationArrival
            {
                ReceiverId = Id,
                Name = "",
                State = MigrationStatus.Failed,
                Timestamp = WallClock.Now,
                Peer = arrived.Connection.Peer,
                ReceivedBytes = arrived.Connection.BytesReceived,
                TotalTime = arrived.Age,
                Error = error,
            });
            Monitor.PulseAll(_lock);
        }
    }

    void Keep(MigrationArrival arrival)
    {
        if (arrival.State == MigrationStatus.Completed) ArrivedCount++;
        else FailedCount++;
        _arrivals.Add(arrival);
        if (_arrivals.Count <= Kept) return;
        // What never said who it is goes first: whoever can connect can make any number of these.
        var oldest = Math.Max(0, _arrivals.FindIndex(one => one is { Name: "", State: MigrationStatus.Failed }));
        if (oldest < _taken - _forgotten) _forgotten++;
        _arrivals.RemoveAt(oldest);
    }

    MigrationArrival Describe(IncomingMigration incoming) => new()
    {
        ReceiverId = Id,
        Name = incoming.Name,
        State = incoming.Status,
        Guest = incoming.Guest,
        GuestState = incoming.Guest?.State,
        Timestamp = WallClock.Now,
        Peer = incoming.Peer,
        MachineType = incoming.MachineType,
        DeviceCount = incoming.Guest?.Devices.Length ?? 0,
        RamBlocks = incoming.Guest?.RamBlocks ?? [],
        TotalBytes = incoming.TotalBytes,
        ReceivedBytes = incoming.ReceivedBytes,
        NormalPages = incoming.NormalPages,
        ZeroPages = incoming.ZeroPages,
        TotalTime = incoming.Elapsed,
        LoadTime = incoming.LoadTime,
        StartTime = incoming.StartTime,
        MissingPages = incoming.MissingPages,
        Postcopy = incoming.Postcopy,
        Error = incoming.Error,
    };
}
