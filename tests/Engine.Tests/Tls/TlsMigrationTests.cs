using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Tests.Transport;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Tls;

/// <summary>Guests of ours go over TLS, and arrive as they are.</summary>
public sealed class TlsMigrationTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void A_dirtying_guest_arrives_over_tcp(int channels) => Arrives("tcp:127.0.0.1:0", channels, TlsPki.Shared.Client);

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void A_dirtying_guest_arrives_over_a_unix_socket(int channels) => Arrives($"unix:{Links.SocketPath()}", channels, TlsPki.Shared.Client with { HostName = TlsOptions.AnyHost });

    [Fact]
    public void The_name_is_that_of_the_address_unless_another_is_given()
    {
        Arrives("tcp:localhost:0", 0, TlsPki.Shared.Client);
        Arrives("tcp:127.0.0.1:0", 0, TlsPki.Shared.Client with { HostName = "localhost" });
        Arrives($"unix:{Links.SocketPath()}", 0, TlsPki.Shared.Client with { HostName = "localhost" });
    }

    [Fact]
    public void Keys_may_be_RSA()
    {
        var pki = TlsPki.Shared;
        Arrives("tcp:127.0.0.1:0", 0, pki.Client with { Certificate = pki.Issue("CN=rsa", isServer: false, isRsa: true) },
            pki.Server with { Certificate = pki.Issue("CN=rsa", isRsa: true) });
    }

    [Fact]
    public void Who_is_authorised_may_come()
    {
        var pki = TlsPki.Shared;
        Arrives("tcp:127.0.0.1:0", 0, pki.Client with { AuthorizedSubject = ["CN=server, O=Example"] },
            pki.Server with { AuthorizedSubject = ["CN=nobody", "CN=cl?ent,O=*"] });
    }

    [Fact]
    public void Certificates_may_come_from_a_directory_in_the_layout_of_QEMU()
    {
        var folder = TlsPki.Shared.Write();
        try
        {
            Arrives("tcp:127.0.0.1:0", 0, TlsFiles.FromDirectory(folder.FullName, isServer: false), TlsFiles.FromDirectory(folder.FullName, isServer: true));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void An_authority_may_have_signed_for_another_that_signed()
    {
        var (root, between) = TlsPki.Chain();
        var server = new TlsOptions { Certificate = between.Issue("CN=server"), Intermediates = [between.Authority], Trusted = [root.Authority] };
        Arrives("tcp:127.0.0.1:0", 0, root.Client, server);
    }

    [Fact]
    public void A_receiver_with_TLS_may_listen_everywhere()
    {
        using var rig = new TlsRig(TlsPki.Shared.Server, "tcp:0.0.0.0:0");
        Assert.Null(rig.Migrate(TlsPki.Shared.Client, to: MigrationUri.Parse($"tcp:127.0.0.1:{rig.Receiver.Uri.Port}")).Error);
    }

    [Fact]
    public void What_is_agreed_on_is_TLS_1_3_in_a_new_session_each_time()
    {
        for (var i = 0; i < 2; i++)
        {
            var (source, destination) = Links.OpenTls("tcp:127.0.0.1:0", TlsPki.Shared.Server, TlsPki.Shared.Client);
            Assert.Equal(System.Security.Authentication.SslProtocols.Tls13, ((TlsConnection)destination).Protocol);
            source.Dispose();
            destination.Dispose();
        }
    }

    [Theory]
    [InlineData("local")]
    [InlineData("file:/nowhere/at/all")]
    [InlineData("exec:cat")]
    public void Nothing_but_a_socket_is_encrypted(string uri)
    {
        var guest = TestGuests.Create();
        try
        {
            Assert.Equal(MigrationErrorId.InvalidParameter,
                Links.ErrorOf(() => Migration.Start(guest, MigrationUri.Parse(uri), new() { Tls = TlsPki.Shared.Client })));
        }
        finally
        {
            TestGuests.RemoveAll(guest.Host);
        }
    }

    static void Arrives(string uri, int channels, TlsOptions client, TlsOptions? server = null)
    {
        using var rig = new TlsRig(server ?? TlsPki.Shared.Server, uri);
        var result = rig.Migrate(client, new MigrationParameters
        {
            Channels = channels, Verify = true, MaxBandwidth = 100 * TestGuests.MiB, MaxDowntime = TimeSpan.FromMilliseconds(5),
        });
        Assert.Null(result.Error);
        Assert.Equal(GuestLocation.Destination, result.Location);
        Assert.Null(rig.TakeArrival().Error);
        rig.AssertRunsOnlyThere();
    }
}
