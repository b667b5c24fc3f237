using System.IO.Pipelines;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Tests.Transport;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Tls;

/// <summary>Who does not prove who he is does not get in, both ends say why, and the guest runs on at the source.</summary>
public sealed class TlsRefusalTests
{
    static readonly TlsPki Pki = TlsPki.Shared;
    static readonly TlsPki Strangers = new("Another authority");

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void A_plain_source_is_told_that_TLS_is_required(int channels)
    {
        using var rig = new TlsRig(Pki.Server);
        var result = rig.Migrate(client: null, new() { Channels = channels });
        Assert.Equal((MigrationErrorId.TlsRequired, MigrationSide.Destination), (result.Error!.Id, result.Error.Side));
        AssertRefused(rig, result, MigrationErrorId.TlsRequired, MigrationSide.Source);
    }

    [Theory]
    [InlineData("tcp:127.0.0.1:0")]
    [InlineData("unix")]
    public void A_plain_receiver_is_said_not_to_speak_TLS(string uri)
    {
        using var rig = new TlsRig(server: null, uri == "unix" ? $"unix:{Links.SocketPath()}" : uri);
        var result = rig.Migrate(Pki.Client with { HostName = uri == "unix" ? TlsOptions.AnyHost : null });
        Assert.Equal((MigrationErrorId.TlsNotSpoken, MigrationSide.Destination), (result.Error!.Id, result.Error.Side));
        Assert.Equal(MigrationPhase.Connect, result.Error.Phase);
        AssertRefused(rig, result, MigrationErrorId.TlsNotSpoken, MigrationSide.Source);
    }

    [Fact]
    public void A_unix_socket_names_no_host_and_somebody_has_to()
    {
        using var rig = new TlsRig(Pki.Server, $"unix:{Links.SocketPath()}");
        var error = Failing.With(MigrationErrorId.InvalidParameter, () => rig.Migrate(Pki.Client));
        Assert.Equal(MigrationSide.User, error.Side);
        Assert.Contains("-TlsHostName", error.Message, StringComparison.Ordinal);
        Assert.Equal((GuestState.Running, false), (rig.Guest.State, rig.Guest.IsBusy));
        Assert.Null(rig.Migrate(Pki.Client with { AuthorizedSubject = ["CN=*"] }).Error);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void A_destination_of_another_authority_is_not_sent_anything() =>
        IsRejectedHere(Pki.Server with { Certificate = Strangers.Issue("CN=server") }, Pki.Client, "no authority that is trusted");

    [Fact]
    public void A_destination_whose_certificate_has_expired_is_not_sent_anything() =>
        IsRejectedHere(Pki.Server with { Certificate = Pki.Issue("CN=server", isExpired: true) }, Pki.Client, "expired");

    [Fact]
    public void A_destination_with_a_certificate_for_clients_is_not_sent_anything() =>
        IsRejectedHere(Pki.Server with { Certificate = Pki.Issue("CN=server", isServer: false) }, Pki.Client, "not for this purpose");

    [Fact]
    public void A_destination_of_another_name_is_not_sent_anything()
    {
        IsRejectedHere(Pki.Server with { Certificate = Pki.Issue("CN=server", host: "elsewhere") }, Pki.Client, "not for the host '127.0.0.1'");
        IsRejectedHere(Pki.Server, Pki.Client with { HostName = "elsewhere" }, "not for the host 'elsewhere'");
        IsRejectedHere(Pki.Server, Pki.Client with { HostName = "elsewhere" }, "not for the host 'elsewhere'", isUnix: true);
    }

    [Fact]
    public void A_destination_that_is_not_authorised_is_not_sent_anything() =>
        IsRejectedHere(Pki.Server, Pki.Client with { AuthorizedSubject = ["CN=Server,*", "CN=server"] }, "not authorised");

    [Fact]
    public void A_destination_whose_certificate_was_revoked_is_not_sent_anything()
    {
        var server = Pki.Server;
        IsRejectedHere(server, Pki.Client with { RevocationLists = [Pki.Revoke(TimeSpan.FromDays(1), server.Certificate)] }, "revoked");
        IsRejectedHere(server, Pki.Client with { RevocationLists = [Pki.Revoke(TimeSpan.FromHours(-1))] }, "out of date");
    }

    [Fact]
    public void Lists_of_others_and_of_other_certificates_say_nothing()
    {
        using var rig = new TlsRig(Pki.Server);
        var other = Pki.Issue("CN=other");
        Assert.Null(rig.Migrate(Pki.Client with
        {
            RevocationLists = [Pki.Revoke(TimeSpan.FromDays(1), other), Strangers.Revoke(TimeSpan.FromHours(-1), other)],
        }).Error);
    }

    [Fact]
    public void A_source_of_another_authority_is_refused() =>
        IsRejectedThere(Pki.Server, Pki.Client with { Certificate = Strangers.Issue("CN=client", isServer: false) }, "no authority that is trusted");

    [Fact]
    public void A_source_whose_certificate_has_expired_is_refused() =>
        IsRejectedThere(Pki.Server, Pki.Client with { Certificate = Pki.Issue("CN=client", isServer: false, isExpired: true) }, "expired");

    [Fact]
    public void A_source_with_a_certificate_for_servers_is_refused() =>
        IsRejectedThere(Pki.Server, Pki.Client with { Certificate = Pki.Issue("CN=client") }, "not for this purpose");

    [Fact]
    public void A_source_that_is_not_authorised_is_refused() =>
        IsRejectedThere(Pki.Server with { AuthorizedSubject = ["CN=web*"] }, Pki.Client, "not authorised");

    [Fact]
    public void What_a_stranger_writes_into_a_certificate_does_not_reach_a_terminal()
    {
        using var rig = new TlsRig(Pki.Server);
        var subject = "CN=\u001b[2J" + new string('x', 1000) + "\u0007";
        rig.Migrate(Pki.Client with { Certificate = Strangers.Issue(subject, isServer: false) });
        var told = rig.TakeArrival().Error!;
        Assert.Equal(MigrationErrorId.CertificateRejected, told.Id);
        Assert.DoesNotContain(told.Message, char.IsControl);
        Assert.InRange(told.Message.Length, 100, 500);
    }

    [Fact]
    public void A_source_whose_certificate_was_revoked_is_refused()
    {
        var client = Pki.Client;
        IsRejectedThere(Pki.Server with { RevocationLists = [Pki.Revoke(TimeSpan.FromDays(1), client.Certificate)] }, client, "revoked");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_source_without_a_certificate_is_refused(bool isOld)
    {
        using var rig = new TlsRig(Pki.Server);
        using var socket = new TcpClient("127.0.0.1", rig.Receiver.Uri.Port);
        using var tls = new SslStream(socket.GetStream(), false, (_, shown, _, _) => shown?.Subject == "CN=server, O=Example");
        tls.AuthenticateAsClient(new SslClientAuthenticationOptions { TargetHost = "localhost", EnabledSslProtocols = isOld ? SslProtocols.Tls12 : SslProtocols.Tls13 });
        var reader = new WireReader(PipeReader.Create(tls), MigrationSide.Destination);
        Assert.Equal(MigrationErrorId.CertificateRejected, ReturnPathMessage.Read(reader).ReadFailure().Id);
        var error = rig.TakeArrival().Error!;
        Assert.Equal((MigrationErrorId.CertificateRejected, MigrationSide.Source), (error.Id, error.Side));
        Assert.Contains("no certificate", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_source_that_speaks_nothing_later_than_TLS_1_1_is_refused()
    {
        using var rig = new TlsRig(Pki.Server);
        using var socket = new TcpClient("127.0.0.1", rig.Receiver.Uri.Port);
        // Whether this machine's own library would still say it is up to its configuration.
        socket.GetStream().Write(TlsHello.Of(0x0302));
        var error = rig.TakeArrival().Error!;
        Assert.Equal((MigrationErrorId.TlsFailed, MigrationSide.Link), (error.Id, error.Side));
    }

    [Fact]
    public void After_all_that_a_guest_still_gets_in()
    {
        using var rig = new TlsRig(Pki.Server);
        Assert.NotNull(rig.Migrate(client: null).Error);
        Assert.NotNull(rig.Migrate(Pki.Client with { Certificate = Pki.Issue("CN=client") }).Error);
        Assert.Null(rig.Migrate(Pki.Client).Error);
        rig.AssertRunsOnlyThere();
    }

    [Fact]
    public void Certificates_that_can_not_be_used_are_said_before_anything_is_done()
    {
        var client = Pki.Client;
        using var withoutKey = System.Security.Cryptography.X509Certificates.X509CertificateLoader.LoadCertificate(client.Certificate.RawData);
        Assert.Equal(MigrationErrorId.InvalidParameter, Links.ErrorOf(() => (client with { Certificate = withoutKey }).Validate()));
        Assert.Equal(MigrationErrorId.InvalidParameter, Links.ErrorOf(() => (client with { Trusted = [] }).Validate()));
        Assert.Equal(MigrationErrorId.InvalidParameter, Links.ErrorOf(() => (client with { AuthorizedSubject = [] }).Validate()));
    }

    /// <summary>The source does not accept the destination.</summary>
    static void IsRejectedHere(TlsOptions server, TlsOptions client, string reason, bool isUnix = false)
    {
        using var rig = new TlsRig(server, isUnix ? $"unix:{Links.SocketPath()}" : "tcp:127.0.0.1:0");
        var result = rig.Migrate(client);
        Assert.Equal((MigrationErrorId.CertificateRejected, MigrationSide.Destination, MigrationPhase.Connect), (result.Error!.Id, result.Error.Side, result.Error.Phase));
        Assert.Contains(reason, result.Error.Message, StringComparison.Ordinal);
        var there = rig.TakeArrival().Error!;
        Assert.Contains(there.Id, new[] { MigrationErrorId.CertificateRejected, MigrationErrorId.TlsFailed, MigrationErrorId.ConnectionLost });
        Assert.Equal(GuestLocation.Source, result.Location);
        rig.AssertRunsOnlyHere();
    }

    /// <summary>The receiver does not accept the source.</summary>
    static void IsRejectedThere(TlsOptions server, TlsOptions client, string reason)
    {
        using var rig = new TlsRig(server);
        var result = rig.Migrate(client);
        Assert.Equal((MigrationErrorId.CertificateRejected, MigrationSide.Destination), (result.Error!.Id, result.Error.Side));
        Assert.Contains(reason, result.Error.Message, StringComparison.Ordinal);
        AssertRefused(rig, result, MigrationErrorId.CertificateRejected, MigrationSide.Source, reason);
    }

    static void AssertRefused(TlsRig rig, MigrationResult result, MigrationErrorId id, MigrationSide side, string reason = "")
    {
        var there = rig.TakeArrival().Error!;
        Assert.Equal((id, side), (there.Id, there.Side));
        Assert.Contains(reason, there.Message, StringComparison.Ordinal);
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.InRange(result.Error!.Phase!.Value, MigrationPhase.Connect, MigrationPhase.Ping);
        rig.AssertRunsOnlyHere();
    }
}
