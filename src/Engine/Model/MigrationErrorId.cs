namespace PsMigrate.Engine.Model;

/// <summary>
/// What went wrong: stable identifiers, listed with their remedies in about_PsMigrate_Errors. The numbers travel in FAILURE, so
/// none is ever given a second meaning.
/// </summary>
public enum MigrationErrorId
{
    /// <summary>A fault of the engine itself.</summary>
    InternalError = 0,

    // What the user asked for
    /// <summary>No guest of that name.</summary>
    GuestNotFound = 1,

    /// <summary>A guest of that name exists already.</summary>
    DuplicateGuestName = 2,

    /// <summary>A name that is empty, too long, or holds control or wildcard characters.</summary>
    InvalidGuestName = 3,

    /// <summary>A size that is not positive or not a multiple of the page size.</summary>
    InvalidSize = 4,

    /// <summary>More memory than this machine or this receiver gives.</summary>
    MemoryExceeded = 5,

    /// <summary>A parameter outside its range, or two that exclude each other.</summary>
    InvalidParameter = 6,

    /// <summary>An address that can't be understood.</summary>
    InvalidUri = 7,

    /// <summary>An address of a kind that is not supported for this.</summary>
    UnsupportedUri = 8,

    /// <summary>A receiver can't listen there: the address is taken.</summary>
    AddressInUse = 9,

    /// <summary>A receiver can't listen there.</summary>
    ListenFailed = 10,

    /// <summary>A receiver outside loopback needs TLS or leave to do without.</summary>
    InsecureAddress = 11,

    /// <summary>The guest is being migrated, or otherwise in use.</summary>
    GuestBusy = 12,

    /// <summary>The guest was migrated away and runs, or may run, elsewhere.</summary>
    GuestRunsElsewhere = 13,

    /// <summary>Nobody can say where the guest runs.</summary>
    GuestInDoubt = 14,

    /// <summary>The migration is not known.</summary>
    MigrationNotFound = 15,

    /// <summary>The migration has ended, or is in a state in which this can't be done.</summary>
    InvalidState = 16,

    /// <summary>The receiver is not known.</summary>
    ReceiverNotFound = 17,

    /// <summary>A state of the migration can't follow the present one.</summary>
    IllegalTransition = 18,

    // The link
    /// <summary>Nobody listens there.</summary>
    ConnectionRefused = 19,

    /// <summary>No connection within the time allowed.</summary>
    ConnectTimeout = 20,

    /// <summary>The host name can't be resolved.</summary>
    NameNotResolved = 21,

    /// <summary>The host can't be reached.</summary>
    HostUnreachable = 22,

    /// <summary>The connection broke.</summary>
    ConnectionLost = 23,

    /// <summary>The other end does not answer.</summary>
    PeerSilent = 24,

    // How it ended
    /// <summary>The time allowed for the migration is over.</summary>
    Timeout = 25,

    /// <summary>The link was lost after RUN: the guest may run at the destination.</summary>
    HandoverInDoubt = 26,

    /// <summary>The digests of the two ends differ.</summary>
    VerifyMismatch = 27,

    /// <summary>The other end can't do what was asked for.</summary>
    UnsupportedByPeer = 28,

    /// <summary>The destination does not take this guest.</summary>
    DestinationRefused = 29,

    /// <summary>The destination failed.</summary>
    DestinationFailed = 30,

    // What the stream says
    /// <summary>Not a migration stream.</summary>
    BadMagic = 31,

    /// <summary>A stream version that is not 3.</summary>
    UnsupportedVersion = 32,

    /// <summary>A machine type other than ours.</summary>
    WrongMachine = 33,

    /// <summary>A record, command, section or subsection that is not known.</summary>
    UnknownRecord = 34,

    /// <summary>A section that is not known.</summary>
    UnknownSection = 35,

    /// <summary>A section of a version that is not known.</summary>
    UnsupportedSectionVersion = 36,

    /// <summary>A footer is missing or names another section.</summary>
    WrongFooter = 37,

    /// <summary>A RAM block that is not known.</summary>
    UnknownBlock = 38,

    /// <summary>A RAM block whose size differs.</summary>
    BlockSizeMismatch = 39,

    /// <summary>A page outside its block.</summary>
    OffsetOutOfRange = 40,

    /// <summary>A length that can't be right.</summary>
    InvalidLength = 41,

    /// <summary>A field with a value that can't be right.</summary>
    InvalidValue = 42,

    /// <summary>The stream ends too early.</summary>
    UnexpectedEnd = 43,

    /// <summary>A record where it must not be.</summary>
    OutOfOrder = 44,

    /// <summary>Something the stream format has, and this end does not do.</summary>
    UnsupportedFeature = 45,

    // A driven QEMU
    /// <summary>The QMP connection broke, or QEMU has ended.</summary>
    QmpConnectionLost = 46,

    /// <summary>What answers is no QMP, or not what QMP allows.</summary>
    QmpProtocolError = 47,

    /// <summary>QEMU did not answer a command in time.</summary>
    QmpTimeout = 48,

    /// <summary>QEMU answered a command with an error.</summary>
    QemuRefused = 49,

    /// <summary>This QEMU does not have what was asked for; another version or build has it.</summary>
    UnsupportedByQemu = 50,

    /// <summary>Source and destination do not agree on machine, RAM, capabilities, parameters or uuid.</summary>
    EndsDisagree = 51,

    /// <summary>QEMU says that the migration failed.</summary>
    QemuMigrationFailed = 52,

    /// <summary>A device or setting of the guest forbids to migrate it (QEMU's blocked-reasons).</summary>
    MigrationBlocked = 53,

    /// <summary>This needs KVM, and the guest does not run on it.</summary>
    RequiresKvm = 54,

    /// <summary>Guests of this kind can't do that.</summary>
    UnsupportedByGuest = 55,

    // Files and commands
    /// <summary>A file can't be opened, read or written.</summary>
    FileFailed = 56,

    /// <summary>A command of exec: can't be started, or ended with an error.</summary>
    CommandFailed = 57,

    /// <summary>Pages of the guest never arrived.</summary>
    IncompleteMemory = 58,

    // Channels
    /// <summary>How channels work depends on what is at the destination, and nothing tells it before the connection is made.</summary>
    PeerVersionUnknown = 59,

    // Postcopy
    /// <summary>Pages of the guest were only at an end that is gone: what it did since it went over is lost.</summary>
    GuestLost = 60,

    // TLS
    /// <summary>The ends can't agree on TLS, or what came by it is damaged.</summary>
    TlsFailed = 61,

    /// <summary>One end does not accept the certificate of the other.</summary>
    CertificateRejected = 62,

    /// <summary>A receiver takes guests by TLS only, and the source came without.</summary>
    TlsRequired = 63,

    /// <summary>One end speaks TLS, and the other does not.</summary>
    TlsNotSpoken = 64,

    /// <summary>A QEMU has no object of the id that was given.</summary>
    TlsCredentialsNotFound = 70,

    /// <summary>An object of a QEMU is of another kind, or for the other end of a link.</summary>
    TlsCredentialsUnfit = 71,

    /// <summary>A QEMU can't make TLS credentials of a directory.</summary>
    TlsCredentialsRefused = 72,

    // Policies
    /// <summary>A policy says what can't be: the message names the place in it.</summary>
    InvalidPolicy = 73,

    // Probes
    /// <summary>What answers at an address is no receiver of ours: nothing but the header of a stream was sent to it.</summary>
    NoReceiver = 82,

    /// <summary>A receiver takes no probe: it is of an older release, or was probed too much lately.</summary>
    ProbeRefused = 83,

    // Traces
    /// <summary>A trace says what can't be: the message names the place in it.</summary>
    InvalidTrace = 77,

    /// <summary>A trace can't be replayed: nothing was recorded, or no pass of it ended.</summary>
    NothingToReplay = 78,

    /// <summary>What decides about passes (-OnIteration) failed, or answered with what is no action. The migration goes on.</summary>
    OnIterationFailed = 75,

    /// <summary>What decides about passes (-OnIteration) gave no answer in time. The migration goes on.</summary>
    OnIterationLate = 76,
}
