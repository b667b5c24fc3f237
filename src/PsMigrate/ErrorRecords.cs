using System.Management.Automation;
using PsMigrate.Engine.Model;

namespace PsMigrate;

/// <summary>
/// The one place where an error of the engine becomes PowerShell's: its id is the engine's id, its category and the remedy are
/// chosen here. The ids are listed in about_PsMigrate_Errors.
/// </summary>
public static class ErrorRecords
{
    /// <summary>The record for an error; <paramref name="target"/> is the guest's name, or the state of the migration.</summary>
    public static ErrorRecord From(MigrationException error, object? target)
    {
        var (category, remedy) = Describe(error.Id);
        return new ErrorRecord(error, error.Id.ToString(), category, target)
        {
            ErrorDetails = new ErrorDetails(error.Message + Circumstances(error)) { RecommendedAction = InPostcopy(error, target) ?? remedy },
        };
    }

    /// <summary>What helps a migration that has gone over already and takes its time: no limit of the switch-over does.</summary>
    static string? InPostcopy(MigrationException error, object? target) => (error.Id, target) switch
    {
        (MigrationErrorId.Timeout, MigrationState { State: MigrationStatus.PostcopyPaused }) => "Its link is broken: Resume-Migration goes on.",
        (MigrationErrorId.Timeout, MigrationState state) when MigrationTransitions.IsPostcopy(state.State) =>
            "It ends when all of the memory has followed: wait longer, or raise -MaxPostcopyBandwidth with Set-Migration (0 is no limit).",
        _ => null,
    };

    /// <summary>Where it happened and where the guest is: <c>[Link, phase 5.2 Iterate; the guest is at the source]</c>.</summary>
    static string Circumstances(MigrationException error)
    {
        // A slip of the user's is all in the message, unless a guest's whereabouts are at stake.
        if (error.Side == MigrationSide.User && error.Phase is null && error.Location is null or GuestLocation.Source) return "";
        var phase = error.Phase is { } value ? $", phase {MigrationPhases.Number(value)} {value}" : "";
        var offset = error.StreamOffset is { } bytes ? $", byte {bytes} of the stream" : "";
        return $" [{error.Side}{phase}{offset}{(error.Location is { } location ? $"; {Whereabouts(location)}" : "")}]";
    }

    /// <summary>Where a guest is, in words.</summary>
    public static string Whereabouts(GuestLocation location) => location switch
    {
        GuestLocation.Source => "the guest is at the source",
        GuestLocation.Destination => "the guest is at the destination",
        GuestLocation.RamOnly => "the destination holds only its RAM, the source keeps the guest suspended",
        GuestLocation.Lost => "what the guest did since it went over is lost",
        GuestLocation.File => "its state is in the file, or with the command, and the source keeps the guest suspended",
        _ => "the guest may run at the destination, the source keeps it suspended",
    };

    /// <summary>The category of each error and what to do about it.</summary>
    // No default arm: an id that is missing here stops the build (CS8509). CS8524 only asks about numbers that are no id at all.
#pragma warning disable CS8524
    public static (ErrorCategory Category, string Remedy) Describe(MigrationErrorId id) => id switch
    {
        MigrationErrorId.InternalError =>
            (ErrorCategory.NotSpecified, "This is a fault of PsMigrate. Report it with the whole text of the error."),

        MigrationErrorId.GuestNotFound =>
            (ErrorCategory.ObjectNotFound, "Get-MigrationGuest lists the guests of this process."),
        MigrationErrorId.DuplicateGuestName =>
            (ErrorCategory.ResourceExists, "Choose another name or another -HostName, or remove the guest that has the name."),
        MigrationErrorId.InvalidGuestName =>
            (ErrorCategory.InvalidArgument, "Choose a name of 1 to 64 characters without wildcards."),
        MigrationErrorId.InvalidSize =>
            (ErrorCategory.InvalidArgument, "Give a positive multiple of 4096 bytes, for example 512MB."),
        MigrationErrorId.MemoryExceeded =>
            (ErrorCategory.LimitsExceeded, "Take a smaller guest, remove others, or raise -MaxMemory of the receiver."),
        MigrationErrorId.InvalidParameter =>
            (ErrorCategory.InvalidArgument, "The help of the cmdlet gives the range of each parameter."),
        MigrationErrorId.InvalidUri =>
            (ErrorCategory.InvalidArgument, "Use local:NAME, tcp:HOST:PORT, tcp:[IPV6]:PORT, unix:PATH, file:PATH or exec:COMMAND."),
        MigrationErrorId.UnsupportedUri =>
            (ErrorCategory.NotImplemented, "Use local:NAME, tcp:HOST:PORT or unix:PATH here."),
        MigrationErrorId.AddressInUse =>
            (ErrorCategory.ResourceBusy, "Choose another port (0 lets the system choose), or stop what listens there."),
        MigrationErrorId.ListenFailed =>
            (ErrorCategory.OpenError, "Check that the address belongs to this machine and may be used."),
        MigrationErrorId.InsecureAddress =>
            (ErrorCategory.SecurityError, "Listen on a loopback address, or give -AllowInsecure on a network that you trust."),
        MigrationErrorId.GuestBusy =>
            (ErrorCategory.ResourceBusy, "Wait for its migration with Wait-Migration, or stop it with Stop-Migration."),
        MigrationErrorId.GuestRunsElsewhere =>
            (ErrorCategory.InvalidOperation, "Work with it where it runs; Remove-MigrationGuest drops the copy that is here."),
        MigrationErrorId.GuestInDoubt =>
            (ErrorCategory.InvalidOperation,
                "Look whether it runs at the destination. Resume-MigrationGuest asks there once more; with -Force it runs here."),
        MigrationErrorId.GuestLost =>
            (ErrorCategory.DeviceError,
                "What the guest did since it went over is lost. At the source Resume-MigrationGuest -Force runs it as it was when it stopped there."),
        MigrationErrorId.MigrationNotFound =>
            (ErrorCategory.ObjectNotFound, "Get-MigrationState lists the migrations of this process."),
        MigrationErrorId.InvalidState =>
            (ErrorCategory.InvalidOperation, "Get-MigrationState shows what state the migration is in."),
        MigrationErrorId.ReceiverNotFound =>
            (ErrorCategory.ObjectNotFound, "Get-MigrationReceiver lists the receivers of this process."),
        MigrationErrorId.IllegalTransition =>
            (ErrorCategory.InvalidOperation, "This is a fault of PsMigrate. Report it with the whole text of the error."),

        MigrationErrorId.ConnectionRefused =>
            (ErrorCategory.ConnectionError, "Check the address and that a receiver or a QEMU listens there, and try again."),
        MigrationErrorId.ConnectTimeout =>
            (ErrorCategory.OperationTimeout, "Check address and firewall, or raise -ConnectTimeout."),
        MigrationErrorId.NameNotResolved =>
            (ErrorCategory.ConnectionError, "Check the host name, or give an IP address."),
        MigrationErrorId.HostUnreachable =>
            (ErrorCategory.ConnectionError, "Check the address and the route to it."),
        MigrationErrorId.ConnectionLost =>
            (ErrorCategory.ConnectionError, "Look at the network and at the other end, and try again."),
        MigrationErrorId.PeerSilent =>
            (ErrorCategory.OperationTimeout, "Look whether the other end still works, and try again."),

        MigrationErrorId.Timeout =>
            (ErrorCategory.OperationTimeout, "Raise -Timeout or -MaxDowntime, or let the guest write less."),
        MigrationErrorId.HandoverInDoubt =>
            (ErrorCategory.ConnectionError,
                "Look whether the guest runs at the destination. Resume-MigrationGuest asks there once more; with -Force it runs here."),
        MigrationErrorId.VerifyMismatch =>
            (ErrorCategory.InvalidData, "The copy was wrong and was thrown away. Report it with the whole text of the error."),
        MigrationErrorId.UnsupportedByPeer =>
            (ErrorCategory.NotImplemented, "Leave out what the other end can't do, or migrate to a PsMigrate receiver."),
        MigrationErrorId.DestinationRefused =>
            (ErrorCategory.PermissionDenied, "See the reason. A receiver takes what its -AllowedName, -MaxMemory and -AcceptScript allow, a QEMU needs -incoming defer."),
        MigrationErrorId.DestinationFailed =>
            (ErrorCategory.DeviceError, "See the reason and look at the destination: Get-MigrationReceiver there, or the log of its QEMU."),

        MigrationErrorId.BadMagic or MigrationErrorId.UnsupportedVersion or MigrationErrorId.WrongMachine
            or MigrationErrorId.UnknownRecord or MigrationErrorId.UnknownSection or MigrationErrorId.UnsupportedSectionVersion
            or MigrationErrorId.WrongFooter or MigrationErrorId.UnknownBlock or MigrationErrorId.OutOfOrder =>
            (ErrorCategory.ProtocolError, "Check that the other end is a PsMigrate or a QEMU with the same machine (-M none)."),
        MigrationErrorId.BlockSizeMismatch =>
            (ErrorCategory.ProtocolError, "Give both ends the same amount of RAM."),
        MigrationErrorId.OffsetOutOfRange or MigrationErrorId.InvalidLength or MigrationErrorId.InvalidValue =>
            (ErrorCategory.InvalidData, "The stream is damaged or hostile. Look at what sent it."),
        MigrationErrorId.UnexpectedEnd =>
            (ErrorCategory.InvalidData, "The sender ended too early. Look there for the reason, and migrate again."),
        MigrationErrorId.UnsupportedFeature =>
            (ErrorCategory.NotImplemented, "Switch that feature off at the sender."),

        MigrationErrorId.QmpConnectionLost =>
            (ErrorCategory.ConnectionError, "Look whether that QEMU still runs; Connect-MigrationGuest connects again."),
        MigrationErrorId.QmpProtocolError =>
            (ErrorCategory.ProtocolError, "Check that the address is the QMP socket of a QEMU (-qmp), and not its monitor or console."),
        MigrationErrorId.QmpTimeout =>
            (ErrorCategory.OperationTimeout, "Look whether another client holds that socket (Get-MigrationGuest shows those of this process) or QEMU hangs, and try again."),
        MigrationErrorId.QemuRefused =>
            (ErrorCategory.InvalidOperation, "See the reason that QEMU gives."),
        MigrationErrorId.UnsupportedByQemu =>
            (ErrorCategory.NotImplemented, "Leave it out, or use a QEMU that has it."),
        MigrationErrorId.EndsDisagree =>
            (ErrorCategory.InvalidArgument, "Set both ends as the reason says: machine, memory, vCPUs, uuid, capabilities such as postcopy-ram and multifd, and parameters; -PeerVersion has to say what is there. The guest is as it was."),
        MigrationErrorId.QemuMigrationFailed =>
            (ErrorCategory.DeviceError, "See the reason that QEMU gives, and the log of both ends."),
        MigrationErrorId.MigrationBlocked =>
            (ErrorCategory.InvalidOperation, "Remove the device or setting that the reason names; nothing was changed."),
        MigrationErrorId.RequiresKvm =>
            (ErrorCategory.NotImplemented, "Leave it out, or run the guest on KVM (-accel kvm,dirty-ring-size=4096 for the dirty ring)."),
        MigrationErrorId.UnsupportedByGuest =>
            (ErrorCategory.InvalidOperation, "Get-MigrationGuest shows what kind each guest is; the help says what each kind can do."),

        MigrationErrorId.FileFailed =>
            (ErrorCategory.OpenError, "Check path, rights and room on the disk."),
        MigrationErrorId.CommandFailed =>
            (ErrorCategory.DeviceError, "Run the command by itself and see what it says."),
        MigrationErrorId.IncompleteMemory =>
            (ErrorCategory.InvalidData, "The sender left pages out, or uses channels that did not get here: give -Channels as at the source."),

        MigrationErrorId.PeerVersionUnknown =>
            (ErrorCategory.InvalidArgument, "Give -PeerVersion PsMigrate or the release of the QEMU, such as -PeerVersion 10.0, or -DestinationQmp, or leave out -Channels."),

        MigrationErrorId.TlsFailed =>
            (ErrorCategory.SecurityError, "See the reason. Both ends need TLS 1.2 or later; data that was damaged on its way may have been tampered with."),
        MigrationErrorId.CertificateRejected =>
            (ErrorCategory.AuthenticationError, "Look at the certificate that the reason names: its authority, its dates, its names, and whom the other end lets in."),
        MigrationErrorId.TlsRequired =>
            (ErrorCategory.SecurityError, "Give -Tls and a certificate at the source too."),
        MigrationErrorId.InvalidPolicy =>
            (ErrorCategory.InvalidData, "docs/convergence.md has the words of policies; New-MigrationPolicy -BuiltIn gives one to begin with."),
        MigrationErrorId.NoReceiver =>
            (ErrorCategory.InvalidArgument, "Give -Probe the address of a PsMigrate receiver (Start-MigrationReceiver), or -Bandwidth instead. A QEMU that waited there may have ended."),
        MigrationErrorId.ProbeRefused =>
            (ErrorCategory.ResourceBusy, "Probe again in a minute, or give -Bandwidth instead."),
        MigrationErrorId.InvalidTrace =>
            (ErrorCategory.InvalidData, "Start-VmMigration -RecordTrace writes traces; docs/files.md has their format. One that was changed by hand has to keep it."),
        MigrationErrorId.NothingToReplay =>
            (ErrorCategory.InvalidOperation, "Record a migration that gets through its first pass: Start-VmMigration -RecordTrace."),
        MigrationErrorId.OnIterationFailed =>
            (ErrorCategory.InvalidResult, "See the reason: -OnIteration answers with actions such as 'Throttle to 50 %', or with nothing."),
        MigrationErrorId.OnIterationLate =>
            (ErrorCategory.OperationTimeout, "Let -OnIteration do less, or raise -OnIterationTimeout."),
        MigrationErrorId.TlsNotSpoken =>
            (ErrorCategory.SecurityError, "Give -Tls and a certificate at the other end too."),
        MigrationErrorId.TlsCredentialsNotFound =>
            (ErrorCategory.ObjectNotFound, "Start the QEMU with -object tls-creds-x509,id=…, or give -TlsDirectory, of which it is made for the migration."),
        MigrationErrorId.TlsCredentialsUnfit =>
            (ErrorCategory.InvalidArgument, "Name a tls-creds-x509 object with endpoint=client at the source and endpoint=server at the destination."),
        MigrationErrorId.TlsCredentialsRefused =>
            (ErrorCategory.AuthenticationError, "See QEMU's reason. Its process has to be able to read the directory on its own machine, with ca-cert.pem and the certificate and key of its end."),
    };
#pragma warning restore CS8524
}
