namespace PsMigrate.Engine.Model;

/// <summary>Which part failed.</summary>
public enum MigrationSide
{
    /// <summary>What the user asked for.</summary>
    User,

    /// <summary>The sending end.</summary>
    Source,

    /// <summary>The receiving end.</summary>
    Destination,

    /// <summary>What lies between.</summary>
    Link,
}

/// <summary>Where the guest runs, or may run.</summary>
public enum GuestLocation
{
    /// <summary>At the source.</summary>
    Source,

    /// <summary>At the destination.</summary>
    Destination,

    /// <summary>At one of the two; the ends have to meet again, or the user decides.</summary>
    InDoubt,

    /// <summary>The destination holds its memory and can't run it; the source keeps it suspended.</summary>
    RamOnly,

    /// <summary>Its state was written to a file or to a command; the source keeps the guest suspended.</summary>
    File,

    /// <summary>
    /// In postcopy, with one of the ends gone that had a part of it: it runs nowhere, and what it did since it went over is lost. The
    /// source may have it as it was when it stopped there.
    /// </summary>
    Lost,
}

/// <summary>Every failure of the engine: what, on which side, in which phase, whether to try again, where the guest is.</summary>
public sealed class MigrationException : Exception
{
    /// <summary>Makes a typed failure.</summary>
    public MigrationException(MigrationErrorId id, MigrationSide side, string message, Exception? inner = null)
        : base(message, inner)
    {
        Id = id;
        Side = side;
    }

    /// <summary>The stable identifier.</summary>
    public MigrationErrorId Id { get; }

    /// <summary>The side that failed.</summary>
    public MigrationSide Side { get; }

    /// <summary>The phase of the sending thread; null where there was none.</summary>
    public MigrationPhase? Phase { get; internal set; }

    /// <summary>Where the guest is after the failure; null where no guest was involved.</summary>
    public GuestLocation? Location { get; internal set; }

    /// <summary>Byte offset in the stream, for errors in what was received.</summary>
    public long? StreamOffset { get; init; }

    /// <summary>Whether the same call can succeed later without a change.</summary>
    public bool IsRetryable => Id is MigrationErrorId.ConnectionRefused or MigrationErrorId.ConnectTimeout
        or MigrationErrorId.NameNotResolved or MigrationErrorId.HostUnreachable or MigrationErrorId.ConnectionLost
        or MigrationErrorId.PeerSilent or MigrationErrorId.Timeout or MigrationErrorId.GuestBusy;

    /// <summary>A failure as it is if it is typed, or else as want of memory, or as a fault of the engine itself.</summary>
    internal static MigrationException From(Exception e, MigrationSide side, string what) => e switch
    {
        MigrationException typed => typed,
        OutOfMemoryException => new MigrationException(MigrationErrorId.MemoryExceeded, side, $"{what}: this process has not enough memory.", e),
        _ => new MigrationException(MigrationErrorId.InternalError, side, $"{what}: {e.GetType().Name}: {e.Message}", e),
    };

    internal static MigrationException Invalid(string message) =>
        new(MigrationErrorId.InvalidParameter, MigrationSide.User, message);
}
