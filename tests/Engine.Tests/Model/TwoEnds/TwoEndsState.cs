using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Model.TwoEnds;

/// <summary>What the source is at.</summary>
enum SourceStep : byte
{
    New,

    /// <summary>Announced; waits for ACCEPTED.</summary>
    Setup,
    Active,

    /// <summary>The guest stands, and all or the package is sent; waits for READY.</summary>
    Sent,

    /// <summary>RUN is sent; waits for RUNNING.</summary>
    Committed,

    /// <summary>The link broke behind RUN, and the destination is to be asked.</summary>
    Settling,

    /// <summary>QUERY_OUTCOME is sent; waits for the answer.</summary>
    Asking,

    /// <summary>Postcopy: sends pages, then END, and waits for SHUT.</summary>
    Following,
    Paused,

    /// <summary>JOIN is sent; waits for the answer.</summary>
    Joining,

    /// <summary>RECV_BITMAP is sent; waits for the bitmap, or for the last words.</summary>
    Comparing,

    /// <summary>RESUME is sent; waits for RESUME_ACK.</summary>
    Resuming,
    Ended,
    Dead,
}

/// <summary>What the destination is at.</summary>
enum DestinationStep : byte
{
    Idle,
    Receiving,

    /// <summary>READY is sent; waits for RUN.</summary>
    Loaded,

    /// <summary>Postcopy: the guest runs, and pages come.</summary>
    Filling,
    Paused,

    /// <summary>Joined by another link; the ends compare what is missing.</summary>
    Recovering,

    /// <summary>The guest runs, and nothing is missing.</summary>
    Whole,

    /// <summary>The guest never ran here, and will not.</summary>
    GaveUp,

    /// <summary>The guest ran here, and does not any more: its pages will not come.</summary>
    Lost,
    Dead,

    /// <summary>Dead, and another process listens at its address.</summary>
    Replaced,
}

/// <summary>The guest at the source.</summary>
enum HeldGuest : byte
{
    Runs,
    Stands,

    /// <summary>Nobody will run it here; or its process is dead.</summary>
    Gone,
}

/// <summary>What the ledger says.</summary>
enum LedgerEntry : byte
{
    None,
    Open,
    Discarded,
    Running,
}

/// <summary>To the destination.</summary>
enum Forward : byte
{
    None,
    Announce,

    /// <summary>All of precopy: END, devices, EOF.</summary>
    Rest,
    Package,
    Run,
    Page,
    End,
    Query,
    Join,
    AskBitmap,
    Resume,
}

/// <summary>To the source.</summary>
enum Backward : byte
{
    None,
    Accepted,

    /// <summary>FAILURE, SHUT 1.</summary>
    Failure,
    Ready,
    Running,

    /// <summary>SHUT 0.</summary>
    Shut,
    OutcomeRunning,
    OutcomeDiscarded,

    OutcomeUnknown,

    /// <summary>Of another process.</summary>
    OutcomeOfAnother,

    /// <summary>As many pages as the last ones say are missing.</summary>
    Bitmap0,
    Bitmap1,
    Bitmap2,
    ResumeAck,
}

/// <summary>Messages that are on their way, in their order: four bits each.</summary>
readonly record struct Messages(ulong Bits)
{
    public bool IsEmpty => Bits == 0;

    public byte First => (byte)(Bits & 15);

    public Messages Skip() => new(Bits >> 4);

    public Messages With(byte message)
    {
        var at = 0;
        while ((Bits >> at & 15) != 0) at += 4;
        Assert.True(at < 60, "So many messages are never on their way.");
        return new Messages(Bits | (ulong)message << at);
    }
}

/// <summary>
/// Both ends and what lies between them. The source has one connection at a time; the destination may still read from the one before.
/// </summary>
readonly record struct TwoEndsState
{
    public SourceStep Source { get; init; }

    public MigrationStatus Status { get; init; }

    public HeldGuest Held { get; init; }

    /// <summary>What the source says when it has ended.</summary>
    public GuestLocation Location { get; init; }

    public bool IsPostcopy { get; init; }

    /// <summary>Pages that the source thinks are still to be sent.</summary>
    public byte Left { get; init; }

    public bool IsEndSent { get; init; }

    public DestinationStep Destination { get; init; }

    public LedgerEntry Ledger { get; init; }

    /// <summary>Pages that have not come.</summary>
    public byte Missing { get; init; }

    /// <summary>Whether the connection of the source is open.</summary>
    public bool IsUp { get; init; }

    /// <summary>Whether the destination's migration reads from the connection of the source, and not from one that it has left.</summary>
    public bool IsSame { get; init; }

    /// <summary>To the destination's migration.</summary>
    public Messages ToMigration { get; init; }

    /// <summary>To the destination's listener, over a connection that is no migration's yet.</summary>
    public Messages ToListener { get; init; }

    public Messages ToSource { get; init; }

    /// <summary>What was sent to the listener over a connection that the source has left, and may still come.</summary>
    public Forward Stale { get; init; }

    /// <summary>Whether the guest has ever run at the destination.</summary>
    public bool HasRunThere { get; init; }

    public bool RunsAtSource => Held == HeldGuest.Runs;

    public bool RunsAtDestination =>
        Destination is DestinationStep.Filling or DestinationStep.Paused or DestinationStep.Recovering or DestinationStep.Whole;

    public bool IsSourceOver => Source is SourceStep.Ended or SourceStep.Dead;

    public bool IsDestinationDead => Destination is DestinationStep.Dead or DestinationStep.Replaced;

    public bool IsDestinationOver => IsDestinationDead
        || Destination is DestinationStep.Idle or DestinationStep.Whole or DestinationStep.GaveUp or DestinationStep.Lost;

    /// <summary>Nothing can come of it any more.</summary>
    public bool IsOver => IsSourceOver && IsDestinationOver && ToMigration.IsEmpty && ToListener.IsEmpty && Stale == Forward.None;
}
