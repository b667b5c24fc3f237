using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Tls;

/// <summary>Certificates that are nearly right, each of which would let somebody in who has no business there.</summary>
public sealed class TlsHostileChainTests
{
    const string ForClients = "1.3.6.1.5.5.7.3.2";
    const string ForServers = "1.3.6.1.5.5.7.3.1";

    static readonly Signer Root = new("CN=Root", null);

    [Fact]
    public void What_the_tests_issue_is_taken_when_nothing_is_wrong_with_it()
    {
        using var rig = new TlsRig(Server(Root));
        Assert.Null(rig.Migrate(Client(new Signer("CN=Between", Root))).Error);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Who_is_no_authority_signs_for_nobody() => IsRefused(Client(new Signer("CN=client,O=Example", Root, isAuthority: false)));

    [Fact]
    public void Nor_one_that_may_not_sign_certificates() => IsRefused(Client(new Signer("CN=Between", Root, usage: X509KeyUsageFlags.DigitalSignature)));

    [Fact]
    public void Nor_one_behind_more_than_its_authority_allows() =>
        IsRefused(Client(new Signer("CN=Third", new Signer("CN=Second", new Signer("CN=First", Root, depth: 0)))));

    [Fact]
    public void Nor_one_that_has_expired() => IsRefused(Client(new Signer("CN=Between", Root, isExpired: true)));

    [Fact]
    public void Nor_one_for_another_purpose() => IsRefused(Client(new Signer("CN=Between", Root, purpose: ForServers)));

    [Fact]
    public void Nor_one_of_the_same_name_with_another_key() => IsRefused(Client(new Signer("CN=Root", null)));

    [Fact]
    public void Nor_one_for_other_hosts() => IsNotGoneTo(Server(new Signer("CN=Between", Root, onlyHost: "example.org")), "localhost");

    [Fact]
    public void A_certificate_is_not_an_authority_for_itself()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var own = new CertificateRequest("CN=client,O=Example", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        IsRefused(new TlsOptions { Certificate = own, Intermediates = [Root.Certificate], Trusted = [Root.Certificate] });
    }

    [Theory]
    [InlineData("*.example.org", "a.b.example.org")]
    [InlineData("*.example.org", "example.org")]
    [InlineData("*", "localhost")]
    [InlineData("local*", "localhost")]
    [InlineData("localhost.example.org", "localhost")]
    [InlineData("127.0.0.*", "127.0.0.1")]
    public void A_name_with_a_wildcard_is_for_one_label_and_for_no_address(string name, string host) => IsNotGoneTo(Server(Root, name), host);

    [Fact]
    public void An_address_is_not_that_of_another() => IsNotGoneTo(Server(Root, "localhost", "127.0.0.2"), "127.0.0.1");

    [Fact]
    public void A_subject_is_no_name_where_there_are_names() => IsNotGoneTo(Server(Root, "elsewhere", subject: "CN=localhost"), "localhost");

    [Theory]
    [InlineData("CN=\"web1,O=Example\"", "CN=web*,O=Example")]
    [InlineData("CN=\"web1, O=Example\"", "CN=*,O=Example")]
    [InlineData("CN=\"x,CN=web1,O=Example\"", "*CN=web1,O=Example")]
    [InlineData("CN=web1+OU=x,O=Example", "CN=web1,O=Example")]
    [InlineData("O=Example,CN=web1", "CN=web1,O=Example")]
    [InlineData("CN=WEB1,O=Example", "CN=web1,O=Example")]
    [InlineData("CN=web1,O=Example,C=US", "CN=web1,O=Example")]
    public void One_part_of_a_subject_does_not_pass_for_several(string subject, string authorised) =>
        IsRefused(Client(Root, subject), Server(Root) with { AuthorizedSubject = [authorised] });

    static void IsRefused(TlsOptions client, TlsOptions? server = null)
    {
        using var rig = new TlsRig(server ?? Server(Root));
        var result = rig.Migrate(client);
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.Equal(MigrationErrorId.CertificateRejected, rig.TakeArrival().Error!.Id);
        rig.AssertRunsOnlyHere();
    }

    static void IsNotGoneTo(TlsOptions server, string host)
    {
        using var rig = new TlsRig(server);
        var result = rig.Migrate(Client(Root) with { HostName = host });
        Assert.Equal((MigrationErrorId.CertificateRejected, GuestLocation.Source), (result.Error!.Id, result.Location));
        rig.AssertRunsOnlyHere();
    }

    static TlsOptions Client(Signer signer, string subject = "CN=client,O=Example") => signer.Sign(subject, ForClients, null, null);

    static TlsOptions Server(Signer signer, string name = "localhost", string address = "127.0.0.1", string subject = "CN=server,O=Example") =>
        signer.Sign(subject, ForServers, name, address == "127.0.0.1" && name != "localhost" ? null : address);

    /// <summary>One that signs, whether it may or not.</summary>
    sealed class Signer
    {
        readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        readonly Signer? _above;

        public Signer(string name, Signer? above, bool isAuthority = true, int? depth = null, bool isExpired = false,
            X509KeyUsageFlags usage = X509KeyUsageFlags.KeyCertSign, string? purpose = null, string? onlyHost = null)
        {
            _above = above;
            var request = new CertificateRequest(name, _key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, isAuthority && depth is not null, depth ?? 0, true));
            request.CertificateExtensions.Add(new X509KeyUsageExtension(usage, true));
            if (purpose is not null) request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(purpose)], true));
            if (onlyHost is not null) request.CertificateExtensions.Add(new X509Extension("2.5.29.30", Constraints(onlyHost), true));
            request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
            Certificate = above?.Sign(request, isExpired) ?? request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-2), DateTimeOffset.UtcNow.AddDays(30));
        }

        public X509Certificate2 Certificate { get; }

        /// <summary>An end of a link, with all that lies between it and the root.</summary>
        public TlsOptions Sign(string subject, string purpose, string? name, string? address)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest(new X500DistinguishedName(subject), key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
            request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(purpose)], false));
            var names = new SubjectAlternativeNameBuilder();
            if (name is not null) names.AddDnsName(name);
            if (address is not null) names.AddIpAddress(System.Net.IPAddress.Parse(address));
            if (name is not null) request.CertificateExtensions.Add(names.Build());
            using var signed = Sign(request, isExpired: false);
            var between = new List<X509Certificate2>();
            for (var at = this; at._above is not null; at = at._above) between.Add(at.Certificate);
            return new TlsOptions { Certificate = signed.CopyWithPrivateKey(key), Intermediates = between, Trusted = [Root.Certificate] };
        }

        X509Certificate2 Sign(CertificateRequest request, bool isExpired) => request.Create(
            Certificate.SubjectName, X509SignatureGenerator.CreateForECDsa(_key), DateTimeOffset.UtcNow.AddDays(-1),
            isExpired ? DateTimeOffset.UtcNow.AddHours(-1) : DateTimeOffset.UtcNow.AddDays(5), RandomNumberGenerator.GetBytes(8));

        // NameConstraints with one permitted host.
        static byte[] Constraints(string host)
        {
            var name = System.Text.Encoding.ASCII.GetBytes(host);
            byte length = (byte)name.Length;
            return [0x30, (byte)(length + 6), 0xA0, (byte)(length + 4), 0x30, (byte)(length + 2), 0x82, length, .. name];
        }
    }
}
