using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>An authority of a test's own, and what it signs for.</summary>
sealed class TlsPki
{
    static readonly Oid ServerPurpose = new("1.3.6.1.5.5.7.3.1");
    static readonly Oid ClientPurpose = new("1.3.6.1.5.5.7.3.2");

    readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public TlsPki(string name = "PsMigrate test authority")
    {
        var request = new CertificateRequest($"CN={name}", _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        Authority = request.CreateSelfSigned(Now.AddDays(-2), Now.AddDays(30));
    }

    TlsPki(TlsPki root, string name)
    {
        var request = new CertificateRequest($"CN={name}", _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        Authority = request.Create(root.Authority.SubjectName, X509SignatureGenerator.CreateForECDsa(root._key), Now.AddDays(-2), Now.AddDays(20), [1, 2, 3]);
    }

    /// <summary>An authority, and another that it has signed for.</summary>
    public static (TlsPki Root, TlsPki Between) Chain()
    {
        var root = new TlsPki("Root");
        return (root, new TlsPki(root, "Between"));
    }

    /// <summary>One for tests that need nothing special.</summary>
    public static TlsPki Shared { get; } = new();

    static DateTimeOffset Now => DateTimeOffset.UtcNow;

    public X509Certificate2 Authority { get; }

    /// <summary>For the end that listens, at localhost and 127.0.0.1.</summary>
    public TlsOptions Server => new() { Certificate = Issue("CN=server,O=Example"), Trusted = [Authority] };

    /// <summary>For the end that connects.</summary>
    public TlsOptions Client => new() { Certificate = Issue("CN=client,O=Example", isServer: false), Trusted = [Authority] };

    /// <summary>A certificate with its key.</summary>
    public X509Certificate2 Issue(string subject, bool isServer = true, bool isExpired = false, string host = "localhost", bool isRsa = false)
    {
        using var rsa = isRsa ? RSA.Create(2048) : null;
        using var elliptic = isRsa ? null : ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = rsa is not null
            ? new CertificateRequest(subject, rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest(subject, elliptic!, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyEncipherment, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([isServer ? ServerPurpose : ClientPurpose], false));
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(host);
        if (host == "localhost") names.AddIpAddress(System.Net.IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] &= 0x7F;
        // The authority may have another kind of key.
        var generator = X509SignatureGenerator.CreateForECDsa(_key);
        using var signed = request.Create(Authority.SubjectName, generator, Now.AddDays(-2), isExpired ? Now.AddDays(-1) : Now.AddDays(10), serial);
        return rsa is not null ? signed.CopyWithPrivateKey(rsa) : signed.CopyWithPrivateKey(elliptic!);
    }

    /// <summary>A list, in DER, that takes certificates back.</summary>
    public byte[] Revoke(TimeSpan valid, params X509Certificate2[] certificates)
    {
        var builder = new CertificateRevocationListBuilder();
        foreach (var certificate in certificates) builder.AddEntry(certificate);
        var id = X509AuthorityKeyIdentifierExtension.CreateFromCertificate(Authority, includeKeyIdentifier: true, includeIssuerAndSerial: false);
        return builder.Build(Authority.SubjectName, X509SignatureGenerator.CreateForECDsa(_key), 1, Now + valid, HashAlgorithmName.SHA256, id, Now.AddDays(-1));
    }

    /// <summary>A directory in QEMU's layout, for both ends.</summary>
    public DirectoryInfo Write(TlsOptions server, TlsOptions client)
    {
        var folder = Directory.CreateTempSubdirectory("psmigrate-tls-");
        void Put(string name, string text) => File.WriteAllText(Path.Combine(folder.FullName, name), text + "\n");
        Put("ca-cert.pem", Authority.ExportCertificatePem());
        foreach (var (name, options) in new[] { ("server", server), ("client", client) })
        {
            Put($"{name}-cert.pem", options.Certificate.ExportCertificatePem());
            Put($"{name}-key.pem", KeyOf(options.Certificate));
        }
        return folder;
    }

    /// <summary>Both ends of a directory that QEMU can use too.</summary>
    public DirectoryInfo Write() => Write(Server, Client);

    public static string KeyOf(X509Certificate2 certificate)
    {
        using var rsa = certificate.GetRSAPrivateKey();
        using var elliptic = certificate.GetECDsaPrivateKey();
        return rsa?.ExportPkcs8PrivateKeyPem() ?? elliptic!.ExportPkcs8PrivateKeyPem();
    }
}
