using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Journal;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Source;

/// <summary>
/// One outgoing migration: its thread owns the guest from the claim to the result, and hands it on or back on every path.
/// This part holds the state and what other threads may ask; Phases, Switchover and Figures are the thread's.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "It lives on as the record of the migration; Publish lets go of what it held.")]
sealed partial class OutgoingMigration : IMigrationRun
{
    readonly object _lock = new();
    readonly Func<CancellationToken, IConnection> _connect;
    readonly CancellationTokenSource _stop = new();
    readonly ManualResetEventSlim _switchoverAllowed = new();
    readonly Guid _uuid = Guid.NewGuid();
    readonly MemoryGuest _guest;
    readonly string _destination;
    readonly PhaseLog _phases = new();
    readonly RateWindow _window = new();
    readonly RamSaver _ram;
    readonly MigrationJournal _journal = new();
    static readonly TimeSpan WatchPeriod = TimeSpan.FromSeconds(1);
    MigrationParameters _parameters;
    MigrationStatus _status;
    MigrationException? _error;
    Timer? _timer;
    Timer? _watchdog;
    long _watchedBytes = -1;
    long _lastProgress;
    IConnection? _connection;
    WireWriter? _writer;
    ReturnPath? _returnPath;
    PeerKind _peer;
    volatile bool _completeRequested;
    bool _isCancelRequested;
    bool _isCommitted;

    public OutgoingMigration(
        int id, MemoryGuest guest, string destination, MigrationParameters parameters, Func<CancellationToken, IConnection> connect)
    {
        Id = id;
        _guest = guest;
        _destination = destination;
        _parameters = parameters;
        _connect = connect;
        _ram = new RamSaver(guest);
    }

    public int Id { get; }

    /// <summary>Called on the migration's thread when a phase is entered.</summary>
    public Action<MigrationPhase>? PhaseEntered
    {
        set => _phases.Entered = value;
    }

    public MigrationStatus Status
    {
        get { lock (_lock) return _status; }
    }

    public MigrationResult? Result => _journal.Result;

    /// <summary>Claims the guest and starts the thread. Throws GuestBusy and its kin; then nothing has changed.</summary>
    public void Start()
    {
        CheckSupported();
        _guest.Claim(this, _uuid, _parameters.KeepSource);
        lock (_lock) _status = MigrationStatus.Setup;
        ArmTimer(_parameters.Timeout);
        _watchdog = new Timer(_ => WatchProgress(), null, WatchPeriod, WatchPeriod);
        try
        {
            new Thread(Run) { IsBackground = true, Name = $"migration {_guest.Name}" }.Start();
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

    /// <summary>
    /// Cancels, unless the destination has leave to run the guest or the migration is over. With <paramref name="wait"/> the answer
    /// comes when the guest is where it belongs, whatever it is.
    /// </summary>
    public CancelAnswer Cancel(bool wait)
    {
        var outcome = TryCancel();
        if (outcome == CancelOutcome.Requested) Interrupt();
        if (wait) _journal.Wait(null);
        if (outcome == CancelOutcome.AlreadyEnded) return Answer(outcome, $"The migration had ended before: {Status}.");
        if (outcome == CancelOutcome.TooLate) return Answer(outcome, "The destination has leave to run the guest; nothing can take that back.");
        if (!wait) return Answer(outcome, "The migration is being cancelled.");
        return Status == MigrationStatus.Cancelled
            ? Answer(CancelOutcome.Cancelled, "Cancelled; the guest stayed at the source.")
            : Answer(CancelOutcome.AlreadyEnded, $"The migration had ended before: {Result}");
    }

    CancelOutcome TryCancel()
    {
        lock (_lock)
        {
            if (MigrationTransitions.IsEnded(_status)) return CancelOutcome.AlreadyEnded;
            if (_isCommitted && !_isCancelRequested) return CancelOutcome.TooLate;
            if (_error is not null || _isCancelRequested) return CancelOutcome.Requested;
            _isCancelRequested = true;
            MoveTo(MigrationStatus.Cancelling);
            return CancelOutcome.Requested;
        }
    }

    CancelAnswer Answer(CancelOutcome outcome, string reason)
    {
        lock (_lock) return new(Id, _guest.Name, outcome, reason, _status, _location);
    }

    /// <summary>Switches over as soon as the thread looks, whatever the downtime; also ends the wait before the switch-over.</summary>
    public void Complete()
    {
        lock (_lock)
        {
            if (_status is not (MigrationStatus.Setup or MigrationStatus.Active or MigrationStatus.PreSwitchover))
                throw new MigrationException(MigrationErrorId.InvalidState, MigrationSide.User, $"A migration that is {_status} can't be completed.");
        }
        _completeRequested = true;
        _switchoverAllowed.Set();
    }

    /// <summary>Changes limits of a running migration; null leaves one as it is. They bind from the next window on.</summary>
    public void SetLimits(MigrationLimits limits)
    {
        if (limits.MaxPostcopyBandwidth is not null) throw NoPostcopy();
        lock (_lock)
        {
            if (MigrationTransitions.IsEnded(_status))
                throw new MigrationException(MigrationErrorId.InvalidState, MigrationSide.User, $"The migration has ended: {_status}.");
            _parameters = (_parameters with
            {
                MaxDowntime = limits.MaxDowntime ?? _parameters.MaxDowntime,
                MaxBandwidth = limits.MaxBandwidth ?? _parameters.MaxBandwidth,
                Timeout = limits.Timeout ?? _parameters.Timeout,
            }).Validate();
        }
        if (limits.Timeout is { } limit) ArmTimer(limit - _phases.Elapsed);
    }

    /// <summary>What QEMU's own sender does and this one does not.</summary>
    void CheckSupported()
    {
        var what = _parameters switch
        {
            { Channels: > 0 } => "-Channels",
            { Xbzrle: true } => "-Xbzrle",
            { AutoConverge: true } => "-AutoConverge",
            { Postcopy: true } => "-Postcopy",
            { ReturnPath: false } => "a migration without return path",
            { ValidateUuid: true } => "-ValidateUuid",
            { MaxPostcopyBandwidth: > 0 } => "-MaxPostcopyBandwidth",
            _ => null,
        };
        if (what is not null)
            throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
                $"Guest {_guest.Name} lives in this process, and {what} is for guests of a QEMU only.");
    }

    public void SwitchToPostcopy() => throw NoPostcopy();

    public void Pause() => throw NoPostcopy();

    public void Recover(string? destination) => throw NoPostcopy();

    MigrationException NoPostcopy() => new(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
        $"Guest {_guest.Name} lives in this process; only the migration of a QEMU's guest can go over to postcopy.");

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
            _timer = new Timer(_ => Fail(new MigrationException(MigrationErrorId.Timeout, MigrationSide.Source,
                $"The migration had not switched over after {Parameters.Timeout!.Value.TotalSeconds:0.#} s, the time allowed.")),
                null, milliseconds, Timeout.Infinite);
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
        IConnection? connection;
        lock (_lock)
        {
            if (_connection is null || _writer is null) return;
            connection = _connection;
            var (sent, written) = (connection.BytesSent, _writer.Position);
            if (sent == written || sent != _watchedBytes)
            {
                (_watchedBytes, _lastProgress) = (sent, Stopwatch.GetTimestamp());
                return;
            }
            if (Since(_lastProgress) < _parameters.AnswerTimeout) return;
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
    }

    void Decide(string what, string from, string to, string reason) =>
        _journal.Decide(new MigrationDecision(_phases.Elapsed, what, from, to, reason));

    static TimeSpan Since(long timestamp) => Stopwatch.GetElapsedTime(timestamp);
}
