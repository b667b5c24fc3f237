using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Peers;

/// <summary>Certificates for all who take part, in a directory that QEMU reads too.</summary>
sealed class TlsFolder : IDisposable
{
    static readonly Oid ServerPurpose = new("1.3.6.1.5.5.7.3.1");
    static readonly Oid ClientPurpose = new("1.3.6.1.5.5.7.3.2");

    readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("bench-tls-");

    public TlsFolder()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=bench authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        using var authority = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(2));
        Put("ca-cert.pem", authority.ExportCertificatePem());
        Issue(authority, "server", ServerPurpose);
        Issue(authority, "client", ClientPurpose);
    }

    public string Path => _folder.FullName;

    public TlsOptions Server => TlsFiles.FromDirectory(Path, isServer: true);

    public TlsOptions Client => TlsFiles.FromDirectory(Path, isServer: false);

    public void Dispose() => _folder.Delete(recursive: true);

    void Issue(X509Certificate2 authority, string end, Oid purpose)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={end}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([purpose], false));
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var signed = request.Create(authority, DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1), RandomNumberGenerator.GetBytes(8));
        Put($"{end}-cert.pem", signed.ExportCertificatePem());
        Put($"{end}-key.pem", key.ExportPkcs8PrivateKeyPem());
    }

    void Put(string name, string text) => File.WriteAllText(System.IO.Path.Combine(Path, name), text + "\n");
}
