using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine;

/// <summary>What several attempts tell as one: one clock, one row of passes and decisions, one end.</summary>
sealed partial class RetryingRun
{
    readonly List<MigrationAttempt> _attempts = [];
    readonly List<MigrationDecision> _decisions = [];
    TimeSpan _offset;
    int _decisionsTaken;
    int? _percent;

    public MigrationStatus Status
    {
        get
        {
            lock (_lock) return Result?.State ?? Told(_attempt.Status);
        }
    }

    public MigrationState GetState()
    {
        lock (_lock)
        {
            var state = _attempt.GetState();
            TakeDecisions(state);
            var (result, iterations) = (Result, _journal.Iterations);
            var status = result?.State ?? Told(state.State);
            var own = state with
            {
                State = status,
                Timestamp = WallClock.Now,
                PercentComplete = Percent(state.PercentComplete),
                Current = result is null
                    ? AsOne(state.Current) with { State = status, IsFinal = false, Result = null, TotalTime = _clock.Elapsed }
                    : iterations[^1],
                Iterations = iterations,
                Phases = [.. state.Phases.Select(phase => phase with { Start = phase.Start + _offset })],
                Decisions = [.. _decisions],
                Parameters = _parameters,
                Attempts = AttemptsNow(state),
                Result = result,
            };
            return _isPausing && result is null ? Waiting(own) : own;
        }
    }

    /// <summary>An attempt that has failed is not the end before it is judged.</summary>
    MigrationStatus Told(MigrationStatus status) => _isPausing
        ? _isCancelRequested ? MigrationStatus.Cancelling : MigrationStatus.Setup
        : status == MigrationStatus.Failed ? MigrationStatus.Failing : status;

    MigrationState Waiting(MigrationState state) => state with
    {
        Phase = MigrationPhase.Connect,
        RemainingTime = null,
        Levers = [],
        Bottleneck = MigrationBottleneck.Starting,
        Advice = $"Attempt {_attempts.Count} failed ({_attempts[^1].Error!.Id}); the next one comes within {_parameters.RetryDelay.TotalSeconds:0.###} s. "
            + "Stop-Migration ends it.",
    };

    /// <summary>The present one as it is now.</summary>
    MigrationAttempt[] AttemptsNow(MigrationState state) => _attempts is [.., { Ended: null } present]
        ? [.. _attempts[..^1], present with { TransferredBytes = state.Current.TransferredBytes, Iterations = Passes(state.Current) }]
        : [.. _attempts];

    static int Passes(MigrationIteration last) => last.TransferredBytes == 0 ? 0 : last.Iteration;

    /// <summary>A pass of the attempt as one of the whole.</summary>
    MigrationIteration AsOne(MigrationIteration iteration)
    {
        lock (_lock) return iteration with { Attempt = _attempts.Count, TotalTime = iteration.TotalTime + _offset };
    }

    // The caller holds the lock in what follows.

    /// <summary>An attempt has begun, so long after the first one.</summary>
    void Attempted(DateTime started, TimeSpan offset)
    {
        _attempts.Add(new MigrationAttempt(_attempts.Count + 1, started, Ended: null, Error: null, TransferredBytes: 0, Iterations: 0));
        (_offset, _decisionsTaken) = (offset, 0);
    }

    void Ended(MigrationResult result, MigrationIteration end)
    {
        if (_attempts[^1].Ended is null)
            _attempts[^1] = _attempts[^1] with
            {
                Ended = result.Timestamp, Error = result.Error, TransferredBytes = result.TransferredBytes, Iterations = Passes(end),
            };
        TakeDecisions(_attempt.GetState());
    }

    /// <summary>An attempt begins from nothing; what was once told does not go back.</summary>
    int? Percent(int? ofAttempt)
    {
        if (ofAttempt > (_percent ?? 0)) _percent = ofAttempt;
        return _percent ?? ofAttempt;
    }

    /// <summary>What the attempt has decided since the last look. The row only grows, for those who read it as it does.</summary>
    void TakeDecisions(MigrationState state)
    {
        for (; _decisionsTaken < state.Decisions.Length; _decisionsTaken++)
        {
            var decision = state.Decisions[_decisionsTaken];
            // Those changes are told by the clock of all attempts, as the user gave them.
            if (!PolicyTrail.IsChange(decision)) _decisions.Add(decision with { Time = decision.Time + _offset });
        }
    }

    void Change(MigrationParameters parameters)
    {
        TakeDecisions(_attempt.GetState());
        _decisions.AddRange(PolicyTrail.Changes(_parameters, parameters, _clock.Elapsed));
        _parameters = parameters;
    }

    void Decide(string what, string from, string to, string reason, bool isWarning) =>
        _decisions.Add(new MigrationDecision(_clock.Elapsed, what, from, to, reason) { IsWarning = isWarning });

    /// <summary>The end of an attempt that could not begin: the guest is as the one before left it.</summary>
    MigrationIteration NotBegun(MigrationIteration before, DateTime started, MigrationException error)
    {
        lock (_lock)
        {
            Attempted(started, _offset);
            error.Location ??= GuestLocation.Source;
            // The decisions of the attempt before were taken.
            _decisionsTaken = int.MaxValue;
            var result = before.Result! with { State = MigrationStatus.Failed, Error = error, Timestamp = WallClock.Now, TransferredBytes = 0 };
            return before with { State = MigrationStatus.Failed, Timestamp = result.Timestamp, Pages = 0, Bytes = 0, TransferredBytes = 0, Result = result };
        }
    }

    /// <summary>The end of a wait for the next attempt.</summary>
    static MigrationIteration Cancelled(MigrationIteration before)
    {
        var result = before.Result! with { State = MigrationStatus.Cancelled, Error = null, Timestamp = WallClock.Now };
        return before with { State = MigrationStatus.Cancelled, Timestamp = result.Timestamp, Pages = 0, Bytes = 0, Result = result };
    }

    /// <summary>The end of all.</summary>
    void End(MigrationIteration end)
    {
        MigrationIteration last;
        lock (_lock)
        {
            var result = end.Result! with
            {
                Attempts = [.. _attempts], TotalTime = _clock.Elapsed, Iterations = _journal.Iterations.Length + 1, Error = OfAll(end.Result.Error),
            };
            last = end with { Attempt = _attempts.Count, TotalTime = result.TotalTime, Result = result };
        }
        _journal.Add(last);
    }

    /// <summary>An attempt knows only what was left of the time when it began.</summary>
    MigrationException? OfAll(MigrationException? error) => error?.Id != MigrationErrorId.Timeout || _attempts.Count == 1 ? error
        : new MigrationException(error.Id, error.Side,
            $"The migration had not switched over after {_parameters.Timeout!.Value.TotalSeconds:0.#} s, the time allowed for its {_attempts.Count} attempts.", error)
        { Phase = error.Phase, Location = error.Location };

    CancelAnswer Answer(CancelOutcome outcome, string reason)
    {
        lock (_lock) return new(_id, _guest.Name, outcome, reason, Status, Result?.Location ?? GuestLocation.Source);
    }
}
