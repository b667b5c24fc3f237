using System.Management.Automation;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>How the link is protected that is probed.</summary>
public sealed partial class TestVmMigrationCommand
{
    /// <summary>Speak TLS.</summary>
    [Parameter(HelpMessage = "Probe by TLS, as Start-VmMigration would go. Needs -Probe, and certificates: -TlsDirectory, or -Certificate and -TrustedCertificate, any "
        + "of which implies it.")]
    public SwitchParameter Tls { get; set; }

    /// <summary>Certificates as QEMU has them.</summary>
    [Parameter(HelpMessage = "Directory with ca-cert.pem, client-cert.pem and client-key.pem, and ca-crl.pem if something was revoked, as QEMU's "
        + "tls-creds-x509 has it. Implies -Tls.")]
    [ValidateNotNullOrEmpty]
    public string? TlsDirectory { get; set; }

    /// <summary>What this end shows.</summary>
    [Parameter(HelpMessage = "The certificate that this end shows, with its private key: an X509Certificate2, or the path of a PEM or PFX file. "
        + "Implies -Tls.")]
    [ValidateNotNull]
    public object? Certificate { get; set; }

    /// <summary>Its key.</summary>
    [Parameter(HelpMessage = "Path of the PEM file with the private key of -Certificate, where that does not have it.")]
    [ValidateNotNullOrEmpty]
    public string? CertificateKey { get; set; }

    /// <summary>Whom it trusts.</summary>
    [Parameter(HelpMessage = "Certificates of the authorities that must have signed for the other end: X509Certificate2, or paths of PEM files. "
        + "The system's own count for nothing.")]
    [ValidateNotNullOrEmpty]
    public object[] TrustedCertificate { get; set; } = [];

    /// <summary>What was taken back.</summary>
    [Parameter(HelpMessage = "PEM files with lists of certificates that their authority has revoked.")]
    [ValidateNotNullOrEmpty]
    public string[] RevocationList { get; set; } = [];

    /// <summary>Whose certificate it must be.</summary>
    [Parameter(HelpMessage = "The host that the certificate of the receiver must be for. The host of the address by default; unix: has none and "
        + "needs it, or -AuthorizedSubject. * is any host.")]
    [Alias("tls-hostname")]
    [ValidateNotNullOrEmpty]
    public string? TlsHostName { get; set; }

    /// <summary>Who may be there.</summary>
    [Parameter(HelpMessage = "Subjects, one of which the certificate of the other end must have, with wildcards, such as 'CN=web*,O=Example'. "
        + "All that a trusted authority has signed for by default.")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[] AuthorizedSubject { get; set; } = [];

    /// <summary>Throws InvalidParameter, also where there is nothing that they are for, and FileFailed.</summary>
    TlsOptions? TlsOptions()
    {
        var options = new TlsArguments(SessionState.Path, IsServer: false)
        {
            Tls = IsBound(nameof(Tls)) ? Tls.IsPresent : null, Directory = TlsDirectory, Certificate = Certificate, Key = CertificateKey,
            Trusted = TrustedCertificate, RevocationList = RevocationList, HostName = TlsHostName, AuthorizedSubject = AuthorizedSubject,
        }.Read();
        return options is null || Probe is not null ? options : throw Invalid("TLS is for what is connected, and a forecast connects only with -Probe.");
    }
}
