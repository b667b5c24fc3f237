using PsMigrate.Engine.Convergence;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Journal;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Retries;

/// <summary>What becomes of one attempt, as a test writes it down.</summary>
/// <param name="State">Completed, Failed, Cancelled.</param>
/// <param name="Error">Why it failed.</param>
/// <param name="Location">Where the guest is then.</param>
/// <param name="Passes">Passes before the end.</param>
/// <param name="StartError">Why it can't begin.</param>
/// <param name="Waits">It runs until the test, or a cancel, ends it.</param>
/// <param name="CanNotBeFollowed">It throws what nobody expects when it is asked for its passes.</param>
sealed record Script(
    MigrationStatus State = MigrationStatus.Completed, MigrationException? Error = null, GuestLocation? Location = null, int Passes = 0,
    MigrationException? StartError = null, bool Waits = false, bool CanNotBeFollowed = false);

/// <summary>Makes attempts that do what is written down, one after the other, and keeps what they were told.</summary>
sealed class ScriptedAttempts(params Script[] scripts) : IDisposable
{
    readonly List<ScriptedAttempt> _made = [];

    public MemoryGuest Guest { get; } = TestGuests.Create(TestGuests.Options(size: TestGuests.MiB));

    /// <summary>Called with each attempt before it begins.</summary>
    public Action<ScriptedAttempt>? Next { get; set; }

    public List<ScriptedAttempt> Made
    {
        get { lock (_made) return [.. _made]; }
    }

    public RetryingRun Run(MigrationParameters parameters) => new(7, Guest, "scripted", parameters, (holder, limited) =>
    {
        lock (_made)
        {
            Assert.True(_made.Count < scripts.Length, "It starts over more often than was written down.");
            _made.Add(new ScriptedAttempt(Guest, limited, scripts[_made.Count], holder));
            Next?.Invoke(_made[^1]);
            return _made[^1];
        }
    });

    public static MigrationException Failure(MigrationErrorId id = MigrationErrorId.ConnectionRefused, MigrationSide side = MigrationSide.Link) =>
        new(id, side, $"It is {id}.");

    public static Script Failed(MigrationErrorId id = MigrationErrorId.ConnectionRefused, int passes = 0, GuestLocation at = GuestLocation.Source) =>
        new(MigrationStatus.Failed, Failure(id), at, passes);

    public void Dispose() => GuestRegistry.Remove(Guest);
}

sealed class ScriptedAttempt(MemoryGuest guest, MigrationParameters parameters, Script script, object holder) : IMigrationRun
{
    readonly MigrationJournal _journal = new();
    readonly ManualResetEventSlim _goOn = new();
    volatile bool _isCancelled;
    MigrationStatus _status = MigrationStatus.Active;

    public MigrationParameters Parameters => parameters;

    public List<string> Told { get; } = [];

    public MigrationException? RecoverError { get; set; }

    public TimeSpan? Timeout { get; private set; }

    public int? Percent { get; set; }

    public Action<MigrationPhase>? PhaseEntered
    {
        set => Told.Add("PhaseEntered");
    }

    public MigrationStatus Status
    {
        get => Result?.State ?? _status;
        set => _status = value;
    }

    public MigrationResult? Result => _journal.Result;

    public void Start()
    {
        guest.Claim(this, Guid.NewGuid(), keepsSource: false, holder);
        if (script.StartError is { } error)
        {
            guest.Unclaim(this);
            throw error;
        }
        new Thread(Play) { IsBackground = true, Name = "scripted attempt" }.Start();
    }

    public void GoOn() => _goOn.Set();

    public MigrationState GetState() => new()
    {
        Id = 7, Name = guest.Name, State = Status, Phase = MigrationPhase.Iterate, Timestamp = DateTime.UtcNow, Destination = "scripted",
        PercentComplete = Percent, Current = Pass(_journal.Iterations.Length + 1, null), Iterations = _journal.Iterations, Decisions = _journal.Decisions,
        Phases = [new PhaseRecord(MigrationPhase.Iterate, TimeSpan.Zero, TimeSpan.FromSeconds(1), 1, true)], Parameters = parameters, Result = Result,
    };

    public bool TryTakeIteration(ref int next, out MigrationIteration? iteration, TimeSpan wait) => script.CanNotBeFollowed
        ? throw new NotSupportedException("Nobody expects this.")
        : _journal.TryTakeIteration(ref next, out iteration, wait);

    public bool AwaitsAnswer(MigrationIteration iteration) => true;

    public bool Answer(MigrationIteration iteration, PolicyAction[] actions, MigrationException? failure)
    {
        lock (Told) Told.Add($"Answer to pass {iteration.Iteration}");
        return true;
    }

    public bool Wait(TimeSpan? timeout) => _journal.Wait(timeout);

    public CancelAnswer Cancel(bool wait)
    {
        Told.Add("Cancel");
        if (MigrationTransitions.IsPostcopy(Status)) return new(7, guest.Name, CancelOutcome.TooLate, "Too late.", Status, GuestLocation.Destination);
        _isCancelled = true;
        _goOn.Set();
        if (wait) _journal.Wait(Patience.Limit);
        return new(7, guest.Name, CancelOutcome.Requested, "", Status, GuestLocation.Source);
    }

    public void Complete() => Told.Add("Complete");

    public void SetLimits(MigrationLimits limits)
    {
        Told.Add($"Timeout {limits.Timeout}, downtime {limits.MaxDowntime}");
        Timeout = limits.Timeout;
        foreach (var change in PolicyTrail.Changes(parameters, limits.ApplyTo(parameters), TimeSpan.Zero)) _journal.Decide(change);
    }

    public void SwitchToPostcopy() => Told.Add("Switch");

    public void Pause()
    {
        if (Status == MigrationStatus.PostcopyPaused) throw ScriptedAttempts.Failure(MigrationErrorId.InvalidState, MigrationSide.User);
        Status = MigrationStatus.PostcopyPaused;
    }

    public void Recover(string? destination)
    {
        lock (Told) Told.Add($"Recover {destination}");
        if (RecoverError is { } error) throw error;
        Status = MigrationStatus.PostcopyActive;
    }

    public void GiveUp()
    {
        Told.Add("GiveUp");
        _goOn.Set();
    }

    void Play()
    {
        _journal.Decide(new MigrationDecision(TimeSpan.Zero, "Begin", "", "", ""));
        for (var pass = 1; pass <= script.Passes; pass++) _journal.Add(Pass(pass, null));
        if (script.Waits) Assert.True(_goOn.Wait(Patience.Limit));
        guest.Unclaim(this);
        var state = _isCancelled ? MigrationStatus.Cancelled : script.State;
        var result = new MigrationResult
        {
            Id = 7, Name = guest.Name, State = state, Destination = "scripted", Timestamp = DateTime.UtcNow,
            Location = script.Location ?? (state == MigrationStatus.Completed ? GuestLocation.Destination : GuestLocation.Source),
            Iterations = script.Passes + 1, TransferredBytes = 100 * script.Passes, TotalTime = TimeSpan.FromSeconds(1), Error = _isCancelled ? null : script.Error,
        };
        _journal.Add(Pass(script.Passes + 1, result));
    }

    MigrationIteration Pass(int number, MigrationResult? result) => new()
    {
        Id = 7, Name = guest.Name, State = result?.State ?? Status, Phase = MigrationPhase.Iterate, Timestamp = DateTime.UtcNow, Iteration = number,
        IsFinal = result is not null, Bytes = script.Passes == 0 ? 0 : 10, TransferredBytes = 100 * script.Passes, TotalTime = TimeSpan.FromSeconds(number),
        Result = result, Qemu = new QemuFigures(0, 0, 0, 0, 0, number, 0, 0, 0, 0, 0, 0),
    };
}
