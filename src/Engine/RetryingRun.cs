using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Journal;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine;

/// <summary>
/// A migration that starts over by itself: attempts of whatever kind, one after the other, told as one. It starts over when an attempt
/// failed for a reason that can pass, the guest stayed at the source, and nobody cancelled it. Nobody else gets the guest meanwhile. An
/// attempt that is paused in postcopy, and not on purpose, goes on by itself as often. What it tells of itself is in RetryingRun.Figures.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "It lives on as the record of the migration; the event holds nothing of the system's.")]
sealed partial class RetryingRun : IMigrationRun
{
    // How often an attempt that has nothing to tell is looked at.
    static readonly TimeSpan Period = TimeSpan.FromMilliseconds(100);

    readonly object _lock = new();
    readonly int _id;
    readonly Guest _guest;
    readonly string _destination;
    readonly Func<object, MigrationParameters, IMigrationRun> _make;
    readonly MigrationJournal _journal = new();
    readonly ManualResetEventSlim _stopped = new();
    readonly Stopwatch _clock = Stopwatch.StartNew();
    MigrationParameters _parameters;
    Action<MigrationPhase>? _phaseEntered;
    IMigrationRun _attempt = null!;
    bool _isPausing;
    bool _isCancelRequested;

    /// <param name="id">The number of the migration.</param>
    /// <param name="guest">Its guest.</param>
    /// <param name="destination">Where it goes.</param>
    /// <param name="parameters">Of all attempts together.</param>
    /// <param name="make">Makes an attempt for a holder of the guest, with what is left of the parameters.</param>
    public RetryingRun(
        int id, Guest guest, string destination, MigrationParameters parameters, Func<object, MigrationParameters, IMigrationRun> make) =>
        (_id, _guest, _destination, _parameters, _make) = (id, guest, destination, parameters, make);

    public Action<MigrationPhase>? PhaseEntered
    {
        set => _phaseEntered = value;
    }

    public MigrationResult? Result => _journal.Result;

    /// <summary>Begins the first attempt; what it throws is no failed attempt.</summary>
    public void Start()
    {
        _guest.Reserve(this);
        try
        {
            Begin();
            EngineThread.Start($"attempts to migrate {_guest.Name}", Run, FailUnfollowed);
        }
        catch
        {
            // Nobody would follow one that has begun.
            _attempt?.Cancel(wait: true);
            _guest.Unreserve(this);
            throw;
        }
    }

    public bool TryTakeIteration(ref int next, out MigrationIteration? iteration, TimeSpan wait) =>
        _journal.TryTakeIteration(ref next, out iteration, wait);

    public bool Wait(TimeSpan? timeout) => _journal.Wait(timeout);

    /// <summary>Cancels the attempt, or ends the wait for the next one. None follows, also when it is too late for the present one.</summary>
    public CancelAnswer Cancel(bool wait)
    {
        IMigrationRun? attempt;
        lock (_lock)
        {
            if (Result is not null) return Answer(CancelOutcome.AlreadyEnded, $"The migration had ended before: {Result.State}.");
            _isCancelRequested = true;
            attempt = _isPausing ? null : _attempt;
        }
        _stopped.Set();
        var answer = attempt?.Cancel(wait);
        if (answer?.Outcome == CancelOutcome.TooLate) return answer;
        if (!wait) return Answer(CancelOutcome.Requested, "The migration is being cancelled.");
        _journal.Wait(null);
        return Result!.State == MigrationStatus.Cancelled
            ? Answer(CancelOutcome.Cancelled, "Cancelled; the guest stayed at the source.")
            : Answer(CancelOutcome.AlreadyEnded, $"The migration had ended before: {Result}");
    }

    public void Complete() => Present("completed").Complete();

    public void SetLimits(MigrationLimits limits)
    {
        IMigrationRun? attempt;
        TimeSpan offset;
        lock (_lock)
        {
            if (Result is { } result) throw Refused($"The migration has ended: {result.State}.");
            limits.ApplyTo(_parameters);
            // In a pause the next attempt gets them.
            (attempt, offset) = (_isPausing ? null : _attempt, _offset);
        }
        // By its own clock, which began with it.
        attempt?.SetLimits(limits.Timeout is { } limit ? limits with { Timeout = AtLeast(limit - offset) } : limits);
        lock (_lock) Change(limits.ApplyTo(_parameters));
    }

    public bool AwaitsAnswer(MigrationIteration iteration) => OfPresent(iteration)?.AwaitsAnswer(iteration) == true;

    public bool Answer(MigrationIteration iteration, PolicyAction[] actions, MigrationException? failure) =>
        OfPresent(iteration)?.Answer(iteration, actions, failure) == true;

    /// <summary>The attempt that the pass is of; null when that is over.</summary>
    IMigrationRun? OfPresent(MigrationIteration iteration)
    {
        lock (_lock) return iteration.Attempt == _attempts.Count && !_isPausing ? _attempt : null;
    }

    public void SwitchToPostcopy() => Present("switched to postcopy").SwitchToPostcopy();

    public void Pause() => OnPurpose(Present("paused").Pause);

    public void Recover(string? destination)
    {
        Present("resumed").Recover(destination);
        lock (_lock) _isPausedOnPurpose = false;
    }

    public void GiveUp()
    {
        OnPurpose(Present("given up").GiveUp);
        _journal.Wait(null);
    }

    /// <summary>Does to an attempt what it is not to go on from by itself; one that refuses it is as it was.</summary>
    void OnPurpose(Action act)
    {
        bool before;
        lock (_lock) (before, _isPausedOnPurpose) = (_isPausedOnPurpose, true);
        try
        {
            act();
        }
        catch
        {
            lock (_lock) _isPausedOnPurpose = before;
            throw;
        }
    }

    /// <summary>The attempt, for what can be done to one only. Throws InvalidState.</summary>
    IMigrationRun Present(string verb)
    {
        lock (_lock)
            return _isPausing ? throw Refused($"A migration that waits for its next attempt can't be {verb}.") : _attempt;
    }

    /// <summary>Makes an attempt and begins it. Throws what its start throws; then the attempt before is still the last one.</summary>
    void Begin()
    {
        IMigrationRun attempt;
        lock (_lock)
        {
            attempt = _make(this, _parameters with { Retries = 0, Timeout = _parameters.Timeout is { } limit ? Left(limit) : null });
            attempt.PhaseEntered = _phaseEntered;
        }
        // Claiming a guest may have to wait for it.
        var (started, offset) = (WallClock.Now, _clock.Elapsed);
        attempt.Start();
        lock (_lock)
        {
            Attempted(started, offset);
            (_attempt, _isPausing) = (attempt, false);
        }
        // Whoever cancelled in between found no attempt.
        if (_stopped.IsSet) attempt.Cancel(wait: false);
    }

    void Run()
    {
        var last = Follow();
        while (StartsOver(last)) last = _stopped.Wait(_parameters.RetryDelay) ? Cancelled(last) : Again(last);
        // Whoever waits for the end may take the guest at once.
        _guest.Unreserve(this);
        End(last);
    }

    /// <summary>
    /// The present attempt can't be followed: it is cancelled, or, where that is too late, waited for, so that the guest is in a place that is
    /// known. One that has completed all the same has.
    /// </summary>
    void FailUnfollowed(Exception failure)
    {
        var error = MigrationException.From(failure, MigrationSide.Source, "The engine failed");
        IMigrationRun? present;
        lock (_lock)
        {
            _isCancelRequested = true;
            present = _isPausing ? null : _attempt;
            Decide("Retry", "attempts", "no other", error.Message, isWarning: true);
        }
        EngineThread.Guard(() => AwaitEnd(present), failed: null);
        var result = _attempt.Result;
        error.Location = result?.Location ?? GuestLocation.InDoubt;
        _guest.Unreserve(this);
        _journal.EndWith((result, result?.State) switch
        {
            (null, _) => MigrationResult.Failed(_id, _guest.Name, _destination, error),
            (_, MigrationStatus.Completed) => result,
            _ => result with { State = MigrationStatus.Failed, Error = error },
        });
    }

    static void AwaitEnd(IMigrationRun? attempt)
    {
        attempt?.Cancel(wait: true);
        attempt?.Wait(null);
    }

    /// <summary>Tells what the attempt tells, but for its end, which is returned.</summary>
    MigrationIteration Follow()
    {
        for (var next = 0; ;)
        {
            if (!_attempt.TryTakeIteration(ref next, out var iteration, Period) || iteration is null) GoOnWhenPaused();
            else if (iteration.IsFinal) return iteration;
            else _journal.Add(AsOne(iteration));
        }
    }

    /// <summary>The next attempt; one that can't begin is one that failed.</summary>
    MigrationIteration Again(MigrationIteration before)
    {
        var started = WallClock.Now;
        try
        {
            Begin();
        }
#pragma warning disable CA1031 // Whatever it is, whoever waits must learn of the end.
        catch (Exception error)
#pragma warning restore CA1031
        {
            return NotBegun(before, started, MigrationException.From(error, MigrationSide.Source, "The attempt could not begin"));
        }
        return Follow();
    }

    /// <summary>Whether another attempt follows this end. It is recorded either way.</summary>
    bool StartsOver(MigrationIteration end)
    {
        var result = end.Result!;
        lock (_lock)
        {
            Ended(result, end);
            if (!CanPass(result) || _isCancelRequested) return false;
            var number = _attempts.Count;
            _isPausing = number <= _parameters.Retries && !(_parameters.Timeout - _clock.Elapsed <= _parameters.RetryDelay);
            if (_isPausing)
                Decide("Retry", $"attempt {number}", $"attempt {number + 1} of at most {_parameters.Retries + 1}",
                    $"In {_parameters.RetryDelay.TotalSeconds:0.###} s, since it failed: {result.Error!.Message}", isWarning: true);
            else
                Decide("Retry", $"attempt {number}", "no other",
                    number > _parameters.Retries ? "It was the last one allowed." : "The time allowed would be over before the next one.", isWarning: false);
            if (!_isPausing) return false;
        }
        // What it had begun to send is a pass as well; an attempt that sent nothing made none.
        if (end.Bytes > 0) _journal.Add(AsOne(end) with { IsFinal = false, Result = null, DowntimeParts = null });
        return true;
    }

    /// <summary>
    /// Whether the same can go well later, and harm nothing: the guest is where it was. What the user asked for does not get better by
    /// waiting, and the time allowed is over once.
    /// </summary>
    static bool CanPass(MigrationResult result) => result is { State: MigrationStatus.Failed, Location: GuestLocation.Source, Error: { IsRetryable: true } error }
        && error.Id != MigrationErrorId.Timeout && (error.Side != MigrationSide.User || error.Id == MigrationErrorId.GuestBusy);

    /// <summary>What is left of a time that counts from the start of the first attempt.</summary>
    TimeSpan Left(TimeSpan limit) => AtLeast(limit - _clock.Elapsed);

    // None is allowed no time.
    static TimeSpan AtLeast(TimeSpan left) => left > TimeSpan.FromMilliseconds(1) ? left : TimeSpan.FromMilliseconds(1);

    static MigrationException Refused(string message) => new(MigrationErrorId.InvalidState, MigrationSide.User, message);
}
