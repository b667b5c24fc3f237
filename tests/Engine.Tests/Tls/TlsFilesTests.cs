using System.Security.Cryptography.X509Certificates;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Tests.Transport;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Tls;

/// <summary>Certificates from files, and what is said of files that are none.</summary>
public sealed class TlsFilesTests : IDisposable
{
    static readonly TlsPki Pki = TlsPki.Shared;
    readonly TlsOptions _server = Pki.Server;
    readonly DirectoryInfo _folder;

    public TlsFilesTests() => _folder = Pki.Write(_server, Pki.Client);

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_directory_has_both_ends()
    {
        var server = TlsFiles.FromDirectory(_folder.FullName, isServer: true).Validate();
        Assert.Equal(_server.Certificate.Thumbprint, server.Certificate.Thumbprint);
        Assert.Equal(Pki.Authority.Thumbprint, Assert.Single(server.Trusted).Thumbprint);
        Assert.Empty(server.RevocationLists);
        Assert.Equal("CN=client, O=Example", TlsFiles.FromDirectory(_folder.FullName, isServer: false).Validate().Certificate.Subject);
    }

    [Fact]
    public void And_what_was_revoked_if_it_has_that()
    {
        File.WriteAllText(In("ca-crl.pem"), new string(System.Security.Cryptography.PemEncoding.Write("X509 CRL", Pki.Revoke(TimeSpan.FromDays(1), _server.Certificate))));
        using var rig = new TlsRig(_server);
        Assert.Equal(MigrationErrorId.CertificateRejected, rig.Migrate(TlsFiles.FromDirectory(_folder.FullName, isServer: false)).Error!.Id);
    }

    [Fact]
    public void A_file_may_have_certificate_chain_and_key()
    {
        var (root, between) = TlsPki.Chain();
        using var leaf = between.Issue("CN=leaf");
        File.WriteAllText(In("all.pem"), $"{leaf.ExportCertificatePem()}\n{between.Authority.ExportCertificatePem()}\n{TlsPki.KeyOf(leaf)}\n");
        var (own, chain) = TlsFiles.ReadOwn(In("all.pem"));
        Assert.Equal((leaf.Thumbprint, true), (own.Thumbprint, own.HasPrivateKey));
        Assert.Equal(between.Authority.Thumbprint, Assert.Single(chain).Thumbprint);

        File.WriteAllBytes(In("all.pfx"), new X509Certificate2Collection { leaf, between.Authority }.Export(X509ContentType.Pfx)!);
        (own, chain) = TlsFiles.ReadOwn(In("all.pfx"));
        Assert.Equal((leaf.Thumbprint, true), (own.Thumbprint, own.HasPrivateKey));
        Assert.Single(chain);
        File.WriteAllBytes(In("root.cer"), root.Authority.RawData);
        Assert.Equal(root.Authority.Thumbprint, Assert.Single(TlsFiles.ReadTrusted(In("root.cer"))).Thumbprint);
    }

    [Theory]
    [InlineData("server-key.pem", MigrationErrorId.FileFailed)]
    [InlineData("server-cert.pem", MigrationErrorId.FileFailed)]
    [InlineData("ca-cert.pem", MigrationErrorId.FileFailed)]
    public void A_file_that_is_not_there_is_named(string name, MigrationErrorId id)
    {
        File.Delete(In(name));
        var error = Assert.Throws<MigrationException>(() => TlsFiles.FromDirectory(_folder.FullName, isServer: true));
        Assert.Equal((id, MigrationSide.User), (error.Id, error.Side));
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("server-key.pem", "")]
    [InlineData("server-key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")]
    [InlineData("server-cert.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
    [InlineData("server-cert.pem", "nothing of the kind")]
    [InlineData("ca-cert.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")]
    [InlineData("ca-crl.pem", "nothing of the kind")]
    [InlineData("ca-crl.pem", "-----BEGIN X509 CRL-----\nMAMCAQE=\n-----END X509 CRL-----\n")]
    public void A_file_with_something_else_is_named(string name, string content)
    {
        File.WriteAllText(In(name), content);
        var error = Assert.Throws<MigrationException>(() => TlsFiles.FromDirectory(_folder.FullName, isServer: true));
        Assert.Equal(MigrationErrorId.InvalidParameter, error.Id);
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void A_key_may_be_as_certtool_writes_it(int zeros)
    {
        using var key = _server.Certificate.GetECDsaPrivateKey()!;
        var secret = key.ExportParameters(includePrivateParameters: true).D!;
        var writer = new System.Formats.Asn1.AsnWriter(System.Formats.Asn1.AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteInteger(1);
            writer.WriteOctetString([.. new byte[zeros], .. secret]);
        }
        var pem = new string(System.Security.Cryptography.PemEncoding.Write("EC PRIVATE KEY", writer.Encode()));
        File.WriteAllText(In("server-key.pem"), $"Public Key Info:\n\tKey Security Level: High (256 bits)\n{pem}\n");
        using var rig = new TlsRig(TlsFiles.FromDirectory(_folder.FullName, isServer: true));
        Assert.Null(rig.Migrate(Pki.Client).Error);
    }

    [Fact]
    public void A_key_of_another_certificate_is_not_taken()
    {
        File.Copy(In("client-key.pem"), In("server-key.pem"), overwrite: true);
        Assert.Equal(MigrationErrorId.InvalidParameter, Links.ErrorOf(() => TlsFiles.FromDirectory(_folder.FullName, isServer: true)));
    }

    string In(string name) => Path.Combine(_folder.FullName, name);
}
