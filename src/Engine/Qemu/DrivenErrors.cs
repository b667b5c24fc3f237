using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Qemu;

/// <summary>QEMU's own words for a failure (error-desc) to a typed error. Pure.</summary>
static class DrivenErrors
{
    // Texts of QEMU and of the system; the first that is found counts.
    static readonly (string Text, MigrationErrorId Id)[] Link =
    [
        ("Connection refused", MigrationErrorId.ConnectionRefused),
        ("No such file or directory", MigrationErrorId.ConnectionRefused),
        ("Connection timed out", MigrationErrorId.ConnectTimeout),
        ("No route to host", MigrationErrorId.HostUnreachable),
        ("Network is unreachable", MigrationErrorId.HostUnreachable),
        ("address resolution failed", MigrationErrorId.NameNotResolved),
        ("Broken pipe", MigrationErrorId.ConnectionLost),
        ("Connection reset", MigrationErrorId.ConnectionLost),
        ("Input/output error", MigrationErrorId.ConnectionLost),
        ("Unable to write to socket", MigrationErrorId.ConnectionLost),
        ("Unable to read from socket", MigrationErrorId.ConnectionLost),
        ("Unexpected end-of-file", MigrationErrorId.ConnectionLost),
        ("Channel error", MigrationErrorId.ConnectionLost),
        ("TLS channel", MigrationErrorId.ConnectionLost),
    ];

    // QEMU's, and those of GnuTLS that it hands on. All that say "certificate" are about one that the source does not accept, or, as an
    // alert, the destination.
    static readonly (string Text, MigrationErrorId Id)[] Tls =
    [
        ("certificate", MigrationErrorId.CertificateRejected),
        ("unknown CA", MigrationErrorId.CertificateRejected),
        ("unexpected TLS packet", MigrationErrorId.TlsNotSpoken),
        ("TLS handshake", MigrationErrorId.TlsFailed),
        ("fatal alert", MigrationErrorId.TlsFailed),
    ];

    // FAILURE of a receiver of ours, in the words of a QEMU that does not know it.
    const string RefusalOfOurs = "invalid message 0x5002";

    /// <summary>
    /// Of a migration that the source calls failed. A broken link says nothing by itself: then what is known of the destination counts.
    /// </summary>
    /// <param name="description">error-desc of the source; may be missing.</param>
    /// <param name="destination">What is wrong with the destination; null where nothing is, or nobody knows.</param>
    /// <param name="isKeptOut">Whether the ends were to speak TLS, and the destination still waits for somebody to come.</param>
    public static MigrationException Failed(string? description, string? destination, bool isKeptOut = false)
    {
        var words = description ?? "it gives no reason";
        if (Tls.FirstOrDefault(one => words.Contains(one.Text, StringComparison.OrdinalIgnoreCase)) is { Text: not null } greeting)
            return new(greeting.Id, MigrationSide.Destination, $"QEMU says: {words.TrimEnd('.')}.");
        var found = Link.FirstOrDefault(one => words.Contains(one.Text, StringComparison.OrdinalIgnoreCase));
        // In TLS 1.3 the source has said all before the destination looks at who it is, and the destination then only hangs up.
        if (isKeptOut && found.Id == MigrationErrorId.ConnectionLost)
            return new(MigrationErrorId.TlsFailed, MigrationSide.Destination,
                $"The destination has not let the source in, and waits on: it may not accept the source's certificate; its log says why. The source says: {words}.");
        if (words.Contains(RefusalOfOurs, StringComparison.OrdinalIgnoreCase))
            return new(MigrationErrorId.DestinationFailed, MigrationSide.Destination,
                $"A PsMigrate receiver refused the guest, and a QEMU does not understand why: Wait-MigrationReceiver there tells. The source says: {words}.");
        if (destination is not null && (found.Text is null || found.Id == MigrationErrorId.ConnectionLost))
            return new(MigrationErrorId.DestinationFailed, MigrationSide.Destination, $"The destination failed: {destination} The source says: {words}.");
        return found.Text is not null
            ? new(found.Id, MigrationSide.Link, $"QEMU says: {words}.")
            : new(MigrationErrorId.QemuMigrationFailed, MigrationSide.Source, $"QEMU says that the migration failed: {words}.");
    }

    /// <summary>
    /// Whether a QEMU whose QMP connection was lost has ended: nobody listens there any more. Only of an address on this machine does a
    /// refusal mean that.
    /// </summary>
    public static bool SaysEnded(MigrationUri qmp, MigrationException onConnecting) =>
        onConnecting.Id == MigrationErrorId.ConnectionRefused && qmp.IsLoopback;

    public static MigrationException Blocked(string name, string[] reasons) => new(MigrationErrorId.MigrationBlocked, MigrationSide.Source,
        $"Guest {name} can't be migrated: {string.Join(" ", reasons)}");

    public static MigrationException State(string message) => new(MigrationErrorId.InvalidState, MigrationSide.User, message);

    public static MigrationException InDoubt(string message, Exception? inner = null) =>
        new(MigrationErrorId.HandoverInDoubt, MigrationSide.Link, message, inner);
}
