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

/// <summary>Limits that can be changed while a migration runs; null leaves one as it is.</summary>
/// <param name="MaxDowntime">How long the guest may stand still.</param>
/// <param name="MaxBandwidth">Bytes per second; 0 is no limit.</param>
/// <param name="Timeout">From the start of the migration.</param>
/// <param name="MaxPostcopyBandwidth">Bytes per second for what follows a guest that runs at the destination already; 0 is no limit.</param>
/// <param name="XbzrleCacheSize">Bytes for pages as they were sent, a power of two of at least a page; 0 takes QEMU's, 64 MiB.</param>
public sealed record MigrationLimits(
    TimeSpan? MaxDowntime = null, long? MaxBandwidth = null, TimeSpan? Timeout = null, long? MaxPostcopyBandwidth = null,
    long? XbzrleCacheSize = null)
{
    /// <summary>The parameters with these limits. Throws InvalidParameter.</summary>
    internal MigrationParameters ApplyTo(MigrationParameters parameters) => (parameters with
    {
        MaxDowntime = MaxDowntime ?? parameters.MaxDowntime,
        MaxBandwidth = MaxBandwidth ?? parameters.MaxBandwidth,
        Timeout = Timeout ?? parameters.Timeout,
        MaxPostcopyBandwidth = MaxPostcopyBandwidth ?? parameters.MaxPostcopyBandwidth,
        XbzrleCacheSize = XbzrleCacheSize ?? parameters.XbzrleCacheSize,
    }).Validate();
}
