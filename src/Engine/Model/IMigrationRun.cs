namespace PsMigrate.Engine.Model;

/// <summary>
/// An outgoing migration of whatever kind: one that this engine sends, or one that a QEMU is told to do. All members may be called
/// from any thread, while it runs and after it ended.
/// </summary>
interface IMigrationRun
{
    /// <summary>Called on the migration's thread when a phase is entered. To be set before the start.</summary>
    Action<MigrationPhase>? PhaseEntered { set; }

    MigrationStatus Status { get; }

    /// <summary>How it ended; null while it runs.</summary>
    MigrationResult? Result { get; }

    /// <summary>Claims the guest and begins. Throws why it can't; then nothing has changed.</summary>
    void Start();

    MigrationState GetState();

    /// <summary>Iterations from an index on, waiting at most so long for the next; the last one has IsFinal.</summary>
    bool TryTakeIteration(ref int next, out MigrationIteration? iteration, TimeSpan wait);

    /// <summary>False when the time is over; null waits for ever.</summary>
    bool Wait(TimeSpan? timeout);

    CancelAnswer Cancel(bool wait);

    /// <summary>Switches over now. Throws InvalidState.</summary>
    void Complete();

    /// <summary>Null leaves a limit as it is. Throws InvalidParameter, InvalidState.</summary>
    void SetLimits(MigrationLimits limits);

    /// <summary>Whether an answer to this pass would be in time; earlier ones are not awaited any more then.</summary>
    bool AwaitsAnswer(MigrationIteration iteration);

    /// <summary>An answer to a pass, or why there is none; returns at once. False when nobody waits for it any more.</summary>
    bool Answer(MigrationIteration iteration, PolicyAction[] actions, MigrationException? failure);

    /// <summary>Goes over to postcopy. Throws InvalidState, UnsupportedByGuest.</summary>
    void SwitchToPostcopy();

    /// <summary>Breaks the link of a postcopy on purpose (migrate-pause). Throws InvalidState, UnsupportedByGuest.</summary>
    void Pause();

    /// <summary>
    /// Goes on with a paused postcopy, to the same or another address; returns when it does. Throws InvalidState, InvalidUri,
    /// UnsupportedByGuest, and why it could not: then it is paused as before, or over.
    /// </summary>
    void Recover(string? destination);

    /// <summary>Ends a paused postcopy for good, and with it what the guest did since it went over. Throws InvalidState, UnsupportedByGuest.</summary>
    void GiveUp();
}
