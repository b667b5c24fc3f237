using System.Management.Automation;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Qemu;

namespace PsMigrate.Commands;

/// <summary>How the link of a guest is protected that its QEMU sends.</summary>
public sealed partial class StartVmMigrationCommand
{
    MigrationException? _tlsFailure;

    /// <summary>What the QEMU of the source has.</summary>
    [Parameter(HelpMessage = "For guests of a QEMU: the id of the tls-creds-x509 object, with endpoint=client, that its QEMU has. With -DestinationQmp the "
        + "object of the same id there is used, unless -DestinationTlsCredentials names another. Implies -Tls.")]
    [Alias("tls-creds")]
    [ValidateNotNullOrEmpty]
    public string? TlsCredentials { get; set; }

    /// <summary>What the QEMU of the destination has.</summary>
    [Parameter(HelpMessage = "For guests of a QEMU: the id of the tls-creds-x509 object, with endpoint=server, that the QEMU at -DestinationQmp has. "
        + "That of -TlsCredentials by default.")]
    [ValidateNotNullOrEmpty]
    public string? DestinationTlsCredentials { get; set; }

    /// <summary>Whom the QEMU of the destination lets in.</summary>
    [Parameter(HelpMessage = "For guests of a QEMU: the id of the authz object that the QEMU at -DestinationQmp has, which says which sources may come. "
        + "All that a trusted authority has signed for by default.")]
    [Alias("tls-authz")]
    [ValidateNotNullOrEmpty]
    public string? TlsAuthorization { get; set; }

    bool IsForQemuAlone => TlsCredentials is not null || DestinationTlsCredentials is not null || TlsAuthorization is not null;

    /// <summary>
    /// What guests of this process use. A directory that is on the machines of QEMUs only is none here, which is an error for a guest that
    /// needs it here.
    /// </summary>
    TlsOptions? ReadTls()
    {
        if (IsForQemuAlone)
        {
            CheckForQemuAlone();
            return null;
        }
        try
        {
            return TlsOptions();
        }
        catch (MigrationException error) when (TlsDirectory is not null && error.Id == MigrationErrorId.FileFailed && GuestRegistry.All.OfType<QemuGuest>().Any())
        {
            _tlsFailure = error;
            return null;
        }
    }

    void CheckForQemuAlone()
    {
        if (IsBound(nameof(Tls)) && !Tls) throw Invalid("-Tls:$false and credentials contradict each other.");
        if (TlsCredentials is not null && TlsDirectory is not null)
            throw Invalid("-TlsCredentials names what a QEMU has, and of -TlsDirectory it makes the like: give one of them.");
        if (Certificate is not null || CertificateKey is not null || TrustedCertificate.Length > 0)
            throw Invalid("-TlsCredentials, -DestinationTlsCredentials and -TlsAuthorization are for guests of a QEMU, and -Certificate, -CertificateKey and -TrustedCertificate for those of this process.");
        CheckForOwnAlone();
    }

    void CheckForOwnAlone()
    {
        if (RevocationList.Length > 0) throw Invalid("-RevocationList is for guests of this process: a QEMU takes ca-crl.pem of the directory.");
        if (AuthorizedSubject.Length > 0) throw Invalid("-AuthorizedSubject is for guests of this process: of a QEMU's, -TlsAuthorization says who may come.");
    }

    /// <summary>Throws InvalidParameter, FileFailed.</summary>
    MigrationParameters WithTls(Guest guest, MigrationParameters parameters)
    {
        if (IsForQemuAlone || (guest is QemuGuest && TlsDirectory is not null))
        {
            CheckForOwnAlone();
            return parameters with { Tls = null, QemuTls = QemuTls() };
        }
        return _tlsFailure is null ? parameters : throw _tlsFailure;
    }

    QemuTlsOptions QemuTls() => new()
    {
        Credentials = TlsCredentials, DestinationCredentials = DestinationTlsCredentials, HostName = TlsHostName, Authorization = TlsAuthorization,
        Directory = TlsDirectory is null ? null : FileLookup.Unresolved(SessionState.Path, TlsDirectory),
    };

    /// <summary>The same in words.</summary>
    static string? Protection(MigrationParameters parameters) => parameters switch
    {
        { Tls: { } tls } => $"the link is encrypted, and this end shows the certificate {tls.Certificate.Subject}",
        { QemuTls.Credentials: { } id } => $"the link is encrypted, with the credentials {id} of its QEMU",
        { QemuTls.Directory: { } directory } => $"the link is encrypted, with the certificates that its QEMU finds in {directory}",
        _ => null,
    };
}
