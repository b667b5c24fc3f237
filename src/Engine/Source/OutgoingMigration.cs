using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Journal;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;
using PsMigrate.Engine.VmState;
using System.Diagnostics.CodeAnalysis;
using System.Diagnostics;

namespace PsMigrate.Engine.Source;

/// <summary>
/// One outgoing migration: its thread owns the guest from the claim to the result, and hands it on or back on every path.
/// This part holds the state and what other threads may ask; Phases, Switchover and Figures are the thread's.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "It lives on as the record of the migration; Publish lets go of what it held.")]
sealed partial class OutgoingMigration : IMigrationRun
{
    readonly object _lock = new();
    readonly CancellationTokenSource _stop = new();
    readonly ManualResetEventSlim _switchoverAllowed = new();
    readonly Guid _uuid = Guid.NewGuid();
    readonly MemoryGuest _guest;
    readonly PhaseLog _phases = new();
    readonly RateWindow _window = new();
    readonly RamSaver _ram;
    readonly IMachineState _machine;
    readonly OwnMachineState? _own;
    readonly DestinationMonitor? _monitor;
    readonly bool _letsRun;
    readonly bool _holdsDestination;
    readonly MigrationJournal _journal = new();
    static readonly TimeSpan WatchPeriod = TimeSpan.FromSeconds(1);
    WatchedTime _noProgress = new(WatchPeriod);
    // Where it goes, and how to connect there: a recovery may go elsewhere.
    string _destination;
    Func<CancellationToken, IConnection> _connect;
    MigrationParameters _parameters;
    MigrationStatus _status;
    MigrationException? _error;
    Timer? _timer;
    Timer? _watchdog;
    long _watchedBytes = -1;
    IConnection? _connection;
    WireWriter? _writer;
    IOneWayConnection? _oneWay;
    ReturnPath? _returnPath;
    PeerKind _peer;
    volatile bool _completeRequested;
    bool _isCancelRequested;
    bool _isCommitted;

    public OutgoingMigration(
        int id, MemoryGuest guest, string destination, MigrationParameters parameters, Func<CancellationToken, IConnection> connect,
        QmpClient? destinationQmp = null)
    {
        Id = id;
        _guest = guest;
        _destination = destination;
        _parameters = parameters;
        _progress = new ProgressEstimate(parameters.Promise);
        _connect = connect;
        (_settleByAsking, _giveLeave, _endResume) = (AskDestination, GiveLeave, _ => _downtime.End(DowntimePart.Resume));
        if (guest.Machine is { } captured)
        {
            // One that did not run needs nobody to let it run.
            _letsRun = parameters.DestinationQmp is not null && captured.RunState == GlobalState.Running;
            _machine = new CapturedMachineState(captured, sendsPaused: _letsRun);
        }
        else
        {
            _own = new OwnMachineState(guest);
            _machine = _own;
        }
        if (parameters.DestinationQmp is { } qmp && (_letsRun || parameters.Postcopy || parameters.Channels > 0)) _monitor = new DestinationMonitor(qmp, destinationQmp);
        // QEMU's RUN in postcopy starts the guest whatever its state says, unless it was told to stop before.
        _holdsDestination = _own is null && _monitor is not null;
        _askedCacheSize = XbzrleCacheSize;
        _ram = new RamSaver(guest, _machine.RamSection, parameters.Xbzrle ? _askedCacheSize : 0);
    }

    public int Id { get; }

    /// <summary>Called on the migration's thread when a phase is entered.</summary>
    public Action<MigrationPhase>? PhaseEntered
    {
        set => _phases.Entered = value;
    }

    /// <summary>For whom the guest is reserved, when it is.</summary>
    public object? Holder { get; init; }

    /// <summary>Called on the migration's thread before the guest is stopped: waits for what should not happen while it stands.</summary>
    public Action? AwaitReady { get; init; }

    public MigrationStatus Status
    {
        get { lock (_lock) return _status; }
    }

    public MigrationResult? Result => _journal.Result;

    /// <summary>Claims the guest and starts the thread. Throws GuestBusy and its kin; then nothing has changed.</summary>
    public void Start()
    {
        CheckSupported();
        _guest.Claim(this, _uuid, _parameters.KeepSource, Holder);
        BeginThrottleCount();
        BeginCost();
        lock (_lock) _status = MigrationStatus.Setup;
        ArmTimer(_parameters.Timeout);
        _watchdog = EngineThread.Every(WatchPeriod, WatchProgress, e => Fail(MigrationException.From(e, MigrationSide.Source, "The engine failed")));
        try
        {
            EngineThread.Start($"migration {_guest.Name}", Run, FailWithoutEnd);
        }
        catch (OutOfMemoryException)
        {
            _watchdog.Dispose();
            _timer?.Dispose();
            _guest.Unclaim(this);
            throw;
        }
    }

    public bool Wait(TimeSpan? timeout) => _journal.Wait(timeout);

    public bool TryTakeIteration(ref int next, out MigrationIteration? iteration, TimeSpan wait) =>
        _journal.TryTakeIteration(ref next, out iteration, wait);

    /// <summary>What QEMU's own sender does and this one does not.</summary>
    void CheckSupported()
    {
        var what = _parameters switch
        {
            { ReturnPath: false } => "a migration without return path",
            { ValidateUuid: true } => "-ValidateUuid",
            { DestinationQmp: not null, Channels: 0, Postcopy: false } when _own is not null => "-DestinationQmp without -Channels or -Postcopy",
            _ => null,
        };
        if (what is not null)
            throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
                $"Guest {_guest.Name} {(_own is null ? "was captured and is sent by this process" : "lives in this process")}, and {what} is for guests of a QEMU only.");
        if (_own is null && _parameters.Verify)
            throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
                $"Guest {_guest.Name} was captured from a QEMU, and is sent as a QEMU sends: nobody gives a digest at the other end, and -Verify can't be kept.");
        if (_parameters is { Postcopy: true, DestinationQmp: null } && _guest.Machine is { RunState: not GlobalState.Running })
            throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
                $"Guest {_guest.Name} did not run when it was captured, and a QEMU runs what comes by postcopy: -Postcopy needs -DestinationQmp, by which it is held.");
        if (_parameters is { Postcopy: true, Channels: > 0, Peer: not PeerKind.PsMigrate })
            throw new MigrationException(MigrationErrorId.UnsupportedByPeer, MigrationSide.User, "Postcopy with -Channels is for a destination that is PsMigrate.");
        CheckPeerIsKnown();
    }

    MigrationParameters Parameters
    {
        get { lock (_lock) return _parameters; }
    }

    void ArmTimer(TimeSpan? due)
    {
        if (due is not { } left) return;
        lock (_lock)
        {
            _timer?.Dispose();
            var milliseconds = Math.Clamp((long)left.TotalMilliseconds, 0, uint.MaxValue - 2);
            _timer = EngineThread.After(TimeSpan.FromMilliseconds(milliseconds), TimeIsUp);
        }
    }

    /// <summary>The first error wins; after the commit the sending thread decides by itself.</summary>
    void Fail(MigrationException reason)
    {
        lock (_lock)
        {
            if (_isCommitted || _isCancelRequested || _error is not null || MigrationTransitions.IsEnded(_status)) return;
            _error = reason;
        }
        Interrupt();
    }

    /// <summary>
    /// A destination that takes nothing for the time allowed for an answer is as good as gone; a guest that stands would else
    /// stand for ever.
    /// </summary>
    void WatchProgress()
    {
        WatchChannels();
        IConnection? connection;
        lock (_lock)
        {
            if (_connection is null || _writer is null) return;
            connection = _connection;
            var (sent, written) = (connection.BytesSent, _writer.Position);
            if (sent == written || sent != _watchedBytes)
            {
                _watchedBytes = sent;
                _noProgress.Restart();
                return;
            }
            if (_noProgress.Look() < _parameters.AnswerTimeout) return;
        }
        Fail(new MigrationException(MigrationErrorId.PeerSilent, MigrationSide.Link,
            $"The destination has taken nothing for {Parameters.AnswerTimeout.TotalSeconds:0.#} s."));
        connection.Abort();
    }

    void Interrupt()
    {
        _stop.Cancel();
        _switchoverAllowed.Set();
        _connection?.Abort();
        _channels?.Abort();
        AbortPreempt();
    }

    /// <summary>Throws when the migration was cancelled or has failed (migration_detect_error).</summary>
    void ThrowIfStopped()
    {
        lock (_lock)
        {
            if (_error is not null) throw _error;
            if (_isCancelRequested) throw new OperationCanceledException();
        }
    }

    /// <summary>From here on only the destination's word can give the guest back. Throws when it was stopped before.</summary>
    void Commit()
    {
        lock (_lock)
        {
            ThrowIfStopped();
            _isCommitted = true;
            // Whatever goes wrong from here on, nothing but the destination's word brings the guest back.
            _location = GuestLocation.InDoubt;
            _guest.Commit(this);
        }
    }

    /// <summary>A step of the sending thread.</summary>
    void Advance(MigrationStatus to)
    {
        lock (_lock)
        {
            ThrowIfStopped();
            MoveTo(to);
        }
    }

    void MoveTo(MigrationStatus to)
    {
        MigrationTransitions.Check(_status, to);
        _status = to;
        Monitor.PulseAll(_lock);
    }

    void Decide(string what, string from, string to, string reason) =>
        _journal.Decide(new MigrationDecision(_phases.Elapsed, what, from, to, reason));

    static TimeSpan Since(long timestamp) => Stopwatch.GetElapsedTime(timestamp);
}
