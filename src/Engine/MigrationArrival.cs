using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine;

/// <summary>One incoming migration as a receiver saw it. Immutable.</summary>
public sealed record MigrationArrival
{
    /// <summary>The receiver's number.</summary>
    public required int ReceiverId { get; init; }

    /// <summary>The guest's name; empty when it was never said.</summary>
    public required string Name { get; init; }

    /// <summary>Setup, Active, in postcopy also PostcopyActive, PostcopyPaused and PostcopyRecover, and at the end Completed or Failed.</summary>
    public required MigrationStatus State { get; init; }

    /// <summary>The guest; null unless it arrived. In postcopy it is here before its memory, and <see cref="GuestState.Lost"/> if that never came.</summary>
    public MemoryGuest? Guest { get; init; }

    /// <summary>What the guest did at <see cref="Timestamp"/>; null unless it arrived.</summary>
    public GuestState? GuestState { get; init; }

    /// <summary>When this was taken, UTC.</summary>
    public required DateTime Timestamp { get; init; }

    /// <summary>The other end.</summary>
    public required string Peer { get; init; }

    /// <summary>QEMU's machine type, such as pc-i440fx-7.2; none for guests of our own.</summary>
    public string MachineType { get; init; } = "";

    /// <summary>Device sections that were kept of the machine of a QEMU.</summary>
    public int DeviceCount { get; init; }

    /// <summary>Blocks of RAM; empty unless it arrived.</summary>
    public GuestRamBlock[] RamBlocks { get; init; } = [];

    /// <summary>RAM of the guest, bytes.</summary>
    public long TotalBytes { get; init; }

    /// <summary>Bytes that came over the link.</summary>
    public long ReceivedBytes { get; init; }

    /// <summary>Pages that came as they are.</summary>
    public long NormalPages { get; init; }

    /// <summary>Zero pages that came.</summary>
    public long ZeroPages { get; init; }

    /// <summary>Since the connection was accepted.</summary>
    public TimeSpan TotalTime { get; init; }

    /// <summary>From the end of RAM to READY: the destination's part of the handover, by its own clock.</summary>
    public TimeSpan LoadTime { get; init; }

    /// <summary>How long the start of the guest took.</summary>
    public TimeSpan StartTime { get; init; }

    /// <summary>Pages of a postcopy that have not come; when it has failed, those that never will. 0 without one.</summary>
    public long MissingPages { get; init; }

    /// <summary>What it costs the guest to run before its memory is there; null without postcopy.</summary>
    public PostcopyFigures? Postcopy { get; init; }

    /// <summary>Why it failed; null unless it did.</summary>
    public MigrationException? Error { get; init; }
}

/// <summary>Whether a receiver listens.</summary>
public enum ReceiverStatus
{
    /// <summary>It accepts migrations.</summary>
    Listening,

    /// <summary>It accepts no more.</summary>
    Stopped,
}

/// <summary>A receiver at one moment. Immutable.</summary>
public sealed record ReceiverState
{
    /// <summary>Its number in this process.</summary>
    public required int Id { get; init; }

    /// <summary>Where it listens, with the real port.</summary>
    public required MigrationUri Uri { get; init; }

    /// <summary>The host that arriving guests live on.</summary>
    public required string HostName { get; init; }

    /// <summary>Whether it listens.</summary>
    public required ReceiverStatus Status { get; init; }

    /// <summary>Migrations that are under way; further channels of one don't count.</summary>
    public int ActiveCount { get; init; }

    /// <summary>Guests taken in.</summary>
    public int ArrivedCount { get; init; }

    /// <summary>Migrations that failed.</summary>
    public int FailedCount { get; init; }

    /// <summary>Guests that wait for a place, since <see cref="MaxMigrations"/> are under way.</summary>
    public int WaitingCount { get; init; }

    /// <summary>The largest guest, and all guests that are on their way at one time, in bytes.</summary>
    public long MaxMemory { get; init; }

    /// <summary>Names that are accepted, with wildcards.</summary>
    public string[] AllowedName { get; init; } = [];

    /// <summary>Migrations at one time.</summary>
    public int MaxMigrations { get; init; }

    /// <summary>Connections at one time that have not come to a guest.</summary>
    public int MaxConnections { get; init; }

    /// <summary>How long a connection may take to say who comes.</summary>
    public TimeSpan FirstWordTimeout { get; init; }

    /// <summary>How long a source may say nothing after that.</summary>
    public TimeSpan IdleTimeout { get; init; }

    /// <summary>How long a loaded guest waits for RUN.</summary>
    public TimeSpan RunTimeout { get; init; }

    /// <summary>How long a postcopy whose link broke is kept for a recovery.</summary>
    public TimeSpan RecoverTimeout { get; init; }

    /// <summary>How long the decision about each guest may take; null where none is asked for.</summary>
    public TimeSpan? AcceptTimeout { get; init; }

    /// <summary>Whether sources have to come by TLS.</summary>
    public bool UsesTls { get; init; }

    /// <summary>What is under way.</summary>
    public MigrationArrival[] Incoming { get; init; } = [];

    /// <summary>When this was taken, UTC.</summary>
    public required DateTime Timestamp { get; init; }
}
