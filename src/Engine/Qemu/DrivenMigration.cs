using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;
using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Journal;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qmp;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Qemu;

/// <summary>
/// A migration that a QEMU is told to do. QEMU sends; a thread here prepares both ends, follows what QEMU reports and sees to it that the
/// guest runs in one place. This part holds the state and what other threads may ask for.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "It lives on as the record of the migration; its thread lets go of what it held.")]
sealed partial class DrivenMigration : IMigrationRun
{
    // QEMU's largest downtime-limit, ms.
    const int LongestDowntime = 2_000_000;

    readonly object _lock = new();
    // Taken before the other one: QEMU gets settings from one thread at a time.
    readonly object _settingsLock = new();
    readonly int _id;
    readonly QemuGuest _guest;
    readonly MigrationUri _destination;
    readonly PhaseLog _phases = new();
    readonly MigrationJournal _journal = new();
    readonly CancellationTokenSource _stop = new();
    readonly AutoResetEvent _wake = new(false);
    MigrationParameters _parameters;
    MigrationStatus _status;
    MigrationException? _error;
    string? _cancelRefusal;
    Timer? _timer;
    bool _isCancelRequested;
    bool _isPostcopyAsked;
    bool _isCommitted;
    volatile bool _completeRequested;

    public DrivenMigration(int id, QemuGuest guest, MigrationUri destination, MigrationParameters parameters)
    {
        (_id, _guest, _destination, _parameters, _qmp) = (id, guest, destination, parameters, guest.Qmp);
        _progress = new ProgressEstimate(parameters.Promise);
    }

    /// <summary>Whether QEMU did it already when this process came to look: then the end of this process is none of its business.</summary>
    public bool IsAdopted { get; }

    /// <summary>For whom the guest is reserved, when it is.</summary>
    public object? Holder { get; init; }

    public Action<MigrationPhase>? PhaseEntered
    {
        set => _phases.Entered = value;
    }

    public MigrationStatus Status
    {
        get { lock (_lock) return _status; }
    }

    public MigrationResult? Result => _journal.Result;

    /// <summary>
    /// Claims the guest, looks whether its QEMU can do what is asked, and starts the thread. Throws GuestBusy and its kin, UnsupportedUri,
    /// UnsupportedByQemu, UnsupportedByGuest, MigrationBlocked, InvalidState, and what QMP throws; then nothing has changed.
    /// </summary>
    public void Start()
    {
        // A guest that went away before can't be claimed, and need not be.
        if (!_wasOver) _guest.Claim(this, Holder);
        try
        {
            if (!IsAdopted) Check();
            lock (_lock) _status = _status == MigrationStatus.None ? MigrationStatus.Setup : _status;
            ArmTimer(_parameters.Timeout);
            EngineThread.Start($"migration {_guest.Name}", Run, FailWithoutEnd);
        }
        catch
        {
            _timer?.Dispose();
            _guest.Unclaim(this);
            throw;
        }
    }

    public bool TryTakeIteration(ref int next, out MigrationIteration? iteration, TimeSpan wait) =>
        _journal.TryTakeIteration(ref next, out iteration, wait);

    public bool Wait(TimeSpan? timeout) => _journal.Wait(timeout);

    /// <summary>
    /// Has QEMU cancel, unless the guest is at the destination, or on its way there by postcopy: QEMU 7.2 would take a cancel then, and
    /// lose the guest. With <paramref name="wait"/> the answer comes when it is known.
    /// </summary>
    public CancelAnswer Cancel(bool wait)
    {
        lock (_lock)
        {
            if (Result is not null) return Answer(CancelOutcome.AlreadyEnded, $"The migration had ended before: {_status}.");
            if (Result is not null || _isCommitted || _isPostcopyAsked || DrivenPhases.IsPostcopy(_status)) return TooLate();
            if (_error is null)
            {
                (_isCancelRequested, _cancelRefusal) = (true, null);
                _status = MigrationStatus.Cancelling;
            }
        }
        _stop.Cancel();
        _wake.Set();
        if (!wait) return Answer(CancelOutcome.Requested, "The migration is being cancelled.");
        while (!_journal.Wait(Period))
        {
            if (Volatile.Read(ref _cancelRefusal) is { } refusal) return Answer(CancelOutcome.TooLate, refusal);
        }
        return Result!.State switch
        {
            MigrationStatus.Cancelled => Answer(CancelOutcome.Cancelled, "Cancelled; the guest stayed at the source."),
            MigrationStatus.Completed => Answer(CancelOutcome.TooLate, "The migration had completed before QEMU could cancel it."),
            _ => Answer(CancelOutcome.AlreadyEnded, $"The migration had ended before: {Result}"),
        };
    }

    CancelAnswer TooLate() => Answer(CancelOutcome.TooLate, _isCommitted && !DrivenPhases.IsPostcopy(_status)
        ? "The destination has leave to run the guest; nothing can take that back."
        : "The guest goes over, or has gone over, to the destination by postcopy; nothing can take that back.");

    CancelAnswer Answer(CancelOutcome outcome, string reason)
    {
        lock (_lock) return new(_id, _guest.Name, outcome, reason, _status, _location);
    }

    /// <summary>
    /// Lets go on what waits before its switch-over (migrate-continue); of one that still sends, raises downtime-limit so far that it
    /// switches over now.
    /// </summary>
    public void Complete() => Complete(PolicyTrail.WasCompleted);

    void Complete(string because)
    {
        var status = Status;
        if (!DrivenPhases.IsBeforeSwitchover(status) && status != MigrationStatus.PreSwitchover)
            throw DrivenErrors.State($"A migration that is {status} can't be completed.");
        _completeRequested = true;
        if (status == MigrationStatus.PreSwitchover)
        {
            _wake.Set();
            return;
        }
        lock (_settingsLock)
        {
            if (_hasSettings) Set(Unlimited());
        }
        Decide("downtime-limit", $"{_parameters.MaxDowntime.TotalMilliseconds:0} ms", $"{LongestDowntime} ms", $"{because}: it switches over now.");
    }

    public void SetLimits(MigrationLimits limits)
    {
        lock (_settingsLock) ChangeLimits(limits);
        if (limits.Timeout is { } limit) ArmTimer(limit - _phases.Elapsed);
    }

    void ChangeLimits(MigrationLimits limits)
    {
        MigrationParameters before, changed;
        long downtime, bandwidth;
        lock (_lock)
        {
            if (Result is not null) throw DrivenErrors.State($"The migration has ended: {_status}.");
            if (limits.OnTimeout == TimeoutAction.Postcopy) CheckAllowsPostcopy();
            (before, changed) = (_parameters, limits.ApplyTo(_parameters));
            DrivenPolicy.CheckChange(before, changed, _hasSettings ? _steers : DrivenPolicy.Steers(before), _guest.Name);
            (downtime, bandwidth) = (EndSettings.Milliseconds(_limits.DowntimeAfter(before, changed)), _limits.Bandwidth(changed));
        }
        var arguments = CapabilityPlan.Throttle(limits, changed, _present?.Parameters);
        if (limits.MaxDowntime is not null) arguments["downtime-limit"] = downtime;
        if (limits.MaxBandwidth is not null) arguments["max-bandwidth"] = bandwidth;
        if (limits.MaxPostcopyBandwidth is { } postcopy) arguments["max-postcopy-bandwidth"] = postcopy;
        if (limits.XbzrleCacheSize is { } cache) arguments["xbzrle-cache-size"] = cache == 0 ? MigrationParameters.DefaultXbzrleCacheSize : cache;
        var triggerAfter = LowerThrottle(limits, changed, arguments);
        // Before the preparation sends the settings it has only to know these.
        if (arguments.Count > 0 && _hasSettings) Set(arguments);
        // What the policy said while QEMU answered counts, unless it is another one.
        lock (_lock)
        {
            _limits.Change(before, changed);
            _parameters = changed;
        }
        (_downtimeSent, _bandwidthSent) = (limits.MaxDowntime is null ? _downtimeSent : downtime, limits.MaxBandwidth is null ? _bandwidthSent : bandwidth);
        LowersThrottle(triggerAfter);
        foreach (var change in PolicyTrail.Changes(before, changed, _phases.Elapsed)) _journal.Decide(change);
        _wake.Set();
    }

    public void SwitchToPostcopy() => SwitchToPostcopy("Switch-Migration was called");

    void SwitchToPostcopy(string because)
    {
        lock (_lock)
        {
            if (MigrationTransitions.IsEnded(_status)) throw DrivenErrors.State($"The migration has ended: {_status}.");
            CheckAllowsPostcopy();
            if (!DrivenPhases.IsBeforeSwitchover(_status)) throw DrivenErrors.State($"A migration that is {_status} can't go over to postcopy.");
            // QEMU 7.2 would take both, and lose the guest.
            if (_error is not null) throw DrivenErrors.State("The migration is being given up, and can't go over to postcopy any more.");
            _isPostcopyAsked = true;
        }
        try
        {
            GoOver(because);
        }
        catch (MigrationException error) when (error.Id != MigrationErrorId.InvalidState)
        {
            // QEMU may have taken it, so that nothing can be taken back: the thread says it again until there is an answer.
            lock (_lock) _goOverBecause = because;
            _wake.Set();
        }
    }

    // The caller holds the lock.
    void CheckAllowsPostcopy()
    {
        if (!_parameters.Postcopy && !IsAdopted) throw DrivenErrors.State("The migration was started without -Postcopy, so that QEMU can't go over to it.");
    }

    /// <summary>migrate-start-postcopy. The caller has checked that it may be, and said so to those who would cancel. Throws InvalidState, and what QMP throws.</summary>
    void GoOver(string why)
    {
        try
        {
            _qmp.Execute("migrate-start-postcopy", timeout: AnswerTimeout);
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.QemuRefused)
        {
            lock (_lock) (_isPostcopyAsked, _goOverBecause) = (false, null);
            throw DrivenErrors.State(error.Message);
        }
        HasGoneOver(why);
    }

    void HasGoneOver(string why)
    {
        _hasAnsweredGoOver = true;
        lock (_lock) _goOverBecause = null;
        _journal.Decide(new MigrationDecision(_phases.Elapsed, "Mode", "precopy", "postcopy",
            $"{why}: the guest goes over before its memory. When one of the two QEMUs ends before all of it is there, be it the one here or the one at the destination, the guest is lost.")
        { IsWarning = true });
    }

    public void Pause()
    {
        var status = Status;
        if (status is not (MigrationStatus.PostcopyActive or MigrationStatus.PostcopyRecover))
            throw DrivenErrors.State($"Only a migration in postcopy can be paused, and this one is {status}.");
        AwaitTaken();
        _isPausedOnPurpose = true;
        try
        {
            _qmp.ExecuteOutOfBand("migrate-pause", timeout: AnswerTimeout);
        }
        catch
        {
            _isPausedOnPurpose = false;
            throw;
        }
        _wake.Set();
    }

    void IMigrationRun.GiveUp() => throw new MigrationException(MigrationErrorId.UnsupportedByGuest, MigrationSide.User,
        $"Guest {_guest.Name} belongs to two QEMUs, and a QEMU gives no postcopy up: as long as both live, Resume-Migration can go on; ending one of them loses the guest.");

    // Until the destination has got as far as RUN (POSTCOPY_INCOMING_RUNNING) a broken link does not pause it: it exits, and the guest is lost.
    void AwaitTaken()
    {
        if (_far is null) return;
        for (var clock = System.Diagnostics.Stopwatch.StartNew(); _far.Ask().RunState == QemuRunState.InMigrate; Thread.Sleep(10))
            if (clock.Elapsed > AnswerTimeout)
                throw DrivenErrors.State("The destination has not taken the guest over yet, and would lose it if the link broke now. Try again later.");
    }

    static JsonObject Unlimited() => new() { ["downtime-limit"] = LongestDowntime };

    void Set(JsonObject parameters)
    {
        _qmp.Execute("migrate-set-parameters", parameters, AnswerTimeout);
        _wake.Set();
    }

    void ArmTimer(TimeSpan? due)
    {
        if (due is not { } left) return;
        lock (_lock)
        {
            _timer?.Dispose();
            if (Result is not null) return;
            _timer = EngineThread.After(TimeSpan.FromMilliseconds(Math.Clamp((long)left.TotalMilliseconds, 0, uint.MaxValue - 2)), TimeIsUp);
        }
    }

    /// <summary>The time allowed is over. In postcopy nothing can be taken back, so that it goes on.</summary>
    void GiveUp()
    {
        lock (_lock)
        {
            if (_isCommitted || _isPostcopyAsked || _isCancelRequested || _error is not null || DrivenPhases.IsPostcopy(_status)) return;
            _error = new MigrationException(MigrationErrorId.Timeout, MigrationSide.Source,
                $"The migration had not switched over after {_parameters.Timeout!.Value.TotalSeconds:0.#} s, the time allowed.") { Phase = _phases.Current };
        }
        _stop.Cancel();
        _wake.Set();
    }

    TimeSpan AnswerTimeout
    {
        get { lock (_lock) return _parameters.AnswerTimeout; }
    }

    void Decide(string what, string from, string to, string reason) =>
        _journal.Decide(new MigrationDecision(_phases.Elapsed, what, from, to, reason));
}
