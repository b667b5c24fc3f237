using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>What all TLS connections of one receiver or one migration have in common. Thread-safe.</summary>
sealed class TlsCredentials
{
#pragma warning disable CA5398 // Which versions are allowed is for this project to say, and not for the system's configuration.
    const SslProtocols Protocols = SslProtocols.Tls12 | SslProtocols.Tls13;
#pragma warning restore CA5398

    readonly SslStreamCertificateContext _own;

    /// <summary>Throws InvalidParameter.</summary>
    public TlsCredentials(TlsOptions options, bool isServer)
    {
        Trust = new TlsTrust(options.Validate(), isServer);
        (IsServer, HostName) = (isServer, options.HostName);
        try
        {
            _own = SslStreamCertificateContext.Create(options.Certificate, [.. options.Intermediates], offline: true);
        }
        catch (Exception e) when (e is CryptographicException or NotSupportedException or AuthenticationException)
        {
            throw new MigrationException(MigrationErrorId.InvalidParameter, MigrationSide.User, $"The certificate {options.Certificate.Subject} can't be used: {e.Message}", e);
        }
    }

    /// <summary>Whether for the end that listens.</summary>
    public bool IsServer { get; }

    /// <summary>See <see cref="TlsOptions.HostName"/>.</summary>
    public string? HostName { get; }

    /// <summary>Judges the other end.</summary>
    public TlsTrust Trust { get; }

    /// <summary>For the end that listens. Every connection proves anew who it is: no session is resumed.</summary>
    public SslServerAuthenticationOptions ServerOptions(RemoteCertificateValidationCallback judge) => new()
    {
        ServerCertificateContext = _own, ClientCertificateRequired = true, RemoteCertificateValidationCallback = judge,
        CertificateChainPolicy = Trust.Policy(), EnabledSslProtocols = Protocols, AllowRenegotiation = false, AllowTlsResume = false,
    };

    /// <summary>For the end that connects.</summary>
    public SslClientAuthenticationOptions ClientOptions(string host, RemoteCertificateValidationCallback judge) => new()
    {
        TargetHost = host, ClientCertificateContext = _own, RemoteCertificateValidationCallback = judge,
        CertificateChainPolicy = Trust.Policy(), EnabledSslProtocols = Protocols, AllowRenegotiation = false, AllowTlsResume = false,
    };
}
