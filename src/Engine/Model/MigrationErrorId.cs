namespace PsMigrate.Engine.Model;

/// <summary>What went wrong: stable identifiers, listed with their remedies in about_PsMigrate_Errors.</summary>
public enum MigrationErrorId
{
    /// <summary>A fault of the engine itself.</summary>
    InternalError,

    // What the user asked for
    /// <summary>No guest of that name.</summary>
    GuestNotFound,

    /// <summary>A guest of that name exists already.</summary>
    DuplicateGuestName,

    /// <summary>A name that is empty, too long, or holds control or wildcard characters.</summary>
    InvalidGuestName,

    /// <summary>A size that is not positive or not a multiple of the page size.</summary>
    InvalidSize,

    /// <summary>More memory than this machine or this receiver gives.</summary>
    MemoryExceeded,

    /// <summary>A parameter outside its range, or two that exclude each other.</summary>
    InvalidParameter,

    /// <summary>An address that can't be understood.</summary>
    InvalidUri,

    /// <summary>An address of a kind that is not supported for this.</summary>
    UnsupportedUri,

    /// <summary>A receiver can't listen there: the address is taken.</summary>
    AddressInUse,

    /// <summary>A receiver can't listen there.</summary>
    ListenFailed,

    /// <summary>A receiver outside loopback needs TLS or leave to do without.</summary>
    InsecureAddress,

    /// <summary>The guest is being migrated, or otherwise in use.</summary>
    GuestBusy,

    /// <summary>The guest was migrated away and runs, or may run, elsewhere.</summary>
    GuestRunsElsewhere,

    /// <summary>Nobody can say where the guest runs.</summary>
    GuestInDoubt,

    /// <summary>The migration is not known.</summary>
    MigrationNotFound,

    /// <summary>The migration has ended, or is in a state in which this can't be done.</summary>
    InvalidState,

    /// <summary>The receiver is not known.</summary>
    ReceiverNotFound,

    /// <summary>A state of the migration can't follow the present one.</summary>
    IllegalTransition,

    // The link
    /// <summary>Nobody listens there.</summary>
    ConnectionRefused,

    /// <summary>No connection within the time allowed.</summary>
    ConnectTimeout,

    /// <summary>The host name can't be resolved.</summary>
    NameNotResolved,

    /// <summary>The host can't be reached.</summary>
    HostUnreachable,

    /// <summary>The connection broke.</summary>
    ConnectionLost,

    /// <summary>The other end does not answer.</summary>
    PeerSilent,

    // How it ended
    /// <summary>The time allowed for the migration is over.</summary>
    Timeout,

    /// <summary>The link was lost after RUN: the guest may run at the destination.</summary>
    HandoverInDoubt,

    /// <summary>The digests of the two ends differ.</summary>
    VerifyMismatch,

    /// <summary>The other end can't do what was asked for.</summary>
    UnsupportedByPeer,

    /// <summary>The destination does not take this guest.</summary>
    DestinationRefused,

    /// <summary>The destination failed.</summary>
    DestinationFailed,

    // What the stream says
    /// <summary>Not a migration stream.</summary>
    BadMagic,

    /// <summary>A stream version that is not 3.</summary>
    UnsupportedVersion,

    /// <summary>A machine type other than ours.</summary>
    WrongMachine,

    /// <summary>A record, command, section or subsection that is not known.</summary>
    UnknownRecord,

    /// <summary>A section that is not known.</summary>
    UnknownSection,

    /// <summary>A section of a version that is not known.</summary>
    UnsupportedSectionVersion,

    /// <summary>A footer is missing or names another section.</summary>
    WrongFooter,

    /// <summary>A RAM block that is not known.</summary>
    UnknownBlock,

    /// <summary>A RAM block whose size differs.</summary>
    BlockSizeMismatch,

    /// <summary>A page outside its block.</summary>
    OffsetOutOfRange,

    /// <summary>A length that can't be right.</summary>
    InvalidLength,

    /// <summary>A field with a value that can't be right.</summary>
    InvalidValue,

    /// <summary>The stream ends too early.</summary>
    UnexpectedEnd,

    /// <summary>A record where it must not be.</summary>
    OutOfOrder,

    /// <summary>Something the stream format has, and this end does not do.</summary>
    UnsupportedFeature,
}
