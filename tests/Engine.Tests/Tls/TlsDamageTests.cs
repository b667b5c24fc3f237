using System.Net.Sockets;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Tls;

/// <summary>What happens to a receiver and a source when what comes is no TLS, not all of it, or damaged.</summary>
public sealed class TlsDamageTests
{
    static readonly TlsPki Pki = TlsPki.Shared;

    [Theory]
    [InlineData(2_000)]
    [InlineData(1_000_000)]
    [InlineData(5_000_001)]
    public void A_bit_that_turns_around_on_its_way_is_seen(long at)
    {
        using var rig = new TlsRig(Pki.Server);
        using var proxy = new FlippingProxy(rig.Receiver.Uri, at);
        var result = rig.Migrate(Pki.Client, to: proxy.Uri);
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.Contains(result.Error!.Id, new[] { MigrationErrorId.TlsFailed, MigrationErrorId.ConnectionLost });
        var there = rig.TakeArrival().Error!;
        Assert.Equal((MigrationErrorId.TlsFailed, MigrationSide.Link), (there.Id, there.Side));
        rig.AssertRunsOnlyHere();
    }

    [Theory]
    [InlineData(3)]
    [InlineData(700)]
    public void Of_the_greeting_too(long at)
    {
        using var rig = new TlsRig(Pki.Server);
        using var proxy = new FlippingProxy(rig.Receiver.Uri, at);
        var result = rig.Migrate(Pki.Client, to: proxy.Uri);
        Assert.Equal((MigrationStatus.Failed, GuestLocation.Source), (result.State, result.Location));
        Assert.NotNull(rig.TakeArrival().Error);
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void One_byte_at_a_time_is_slow_and_right()
    {
        var (near, far) = (Pki.Server, Pki.Client);
        using var listener = ConnectionListener.Listen(MigrationUri.Parse("tcp:127.0.0.1:0"), tls: new TlsCredentials(near, isServer: true));
        using var proxy = new FlippingProxy(listener.Uri, flipped: -1, piece: 1);
        var accepting = Task.Factory.StartNew(() =>
        {
            var accepted = (TlsConnection)listener.Accept()!;
            accepted.Accept(out _);
            return accepted;
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        using var source = Connector.ConnectTls(proxy.Uri, new TlsCredentials(far, isServer: false), Patience.Limit, CancellationToken.None);
        using var destination = Patience.Within(accepting.GetAwaiter().GetResult, "the greeting");
        var writer = new WireWriter(source.Output);
        writer.UInt64(4711);
        writer.Flush();
        Assert.Equal(4711u, new WireReader(destination.Input, MigrationSide.Source).UInt64());
    }

    [Fact]
    public void Those_that_say_nothing_or_nonsense_hold_nobody_up()
    {
        using var rig = new TlsRig(Pki.Server);
        var sockets = new List<TcpClient>();
        try
        {
            byte[][] words = [[], [0x16], [0x16, 3, 1], TlsHello.Of(0x0303)[..20], [.. "GET / HTTP/1.1\r\n\r\n"u8], new byte[2000]];
            foreach (var word in words)
            {
                var socket = new TcpClient("127.0.0.1", rig.Receiver.Uri.Port);
                sockets.Add(socket);
                socket.GetStream().Write(word);
            }
            Assert.Null(rig.Migrate(Pki.Client, new() { Verify = true }).Error);
            rig.AssertRunsOnlyThere();

            // All of them are refused, the silent ones once their time is over.
            var refused = new List<MigrationErrorId>();
            while (refused.Count < words.Length)
                if (rig.TakeArrival().Error is { } error) refused.Add(error.Id);
            Assert.Equal(4, refused.Count(id => id == MigrationErrorId.PeerSilent));
            Assert.Equal(2, refused.Count(id => id == MigrationErrorId.TlsRequired));
        }
        finally
        {
            sockets.ForEach(socket => socket.Dispose());
        }
    }

    [Fact]
    public void A_source_that_never_reads_has_nothing_left_to_read()
    {
        // A QEMU without a return path closes without having read: what it would have left unread (tickets) would turn the end of what it
        // sent into a reset.
        using var listener = ConnectionListener.Listen(MigrationUri.Parse("tcp:127.0.0.1:0"), tls: new TlsCredentials(Pki.Server, isServer: true));
        using var socket = new TcpClient("127.0.0.1", listener.Uri.Port);
        using var accepted = (TlsConnection)listener.Accept()!;
        var accepting = Task.Run(() =>
        {
            accepted.Accept(out _);
            return true;
        });
        using var tls = new System.Net.Security.SslStream(socket.GetStream(), false, (_, shown, _, _) => shown?.Subject == "CN=server, O=Example");
        tls.AuthenticateAsClient("localhost", [Pki.Client.Certificate], checkCertificateRevocation: false);
        Assert.True(Patience.Within(accepting.GetAwaiter().GetResult, "the greeting"));
        // All that the greeting has to say is on the wire when it returns at the other end.
        Assert.Equal(0, socket.Available);

        // And for one that reads nothing is missing.
        var writer = new WireWriter(accepted.Output);
        writer.Byte(47);
        writer.Flush();
        Assert.Equal(47, tls.ReadByte());
    }

    [Fact]
    public void A_destination_that_says_nothing_is_given_up()
    {
        using var silent = new TcpListener(System.Net.IPAddress.Loopback, 0);
        silent.Start();
        using var rig = new TlsRig(Pki.Server);
        var port = ((System.Net.IPEndPoint)silent.LocalEndpoint).Port;
        var result = rig.Migrate(Pki.Client, new() { ConnectTimeout = TimeSpan.FromSeconds(1) }, MigrationUri.Parse($"tcp:127.0.0.1:{port}"));
        Assert.Equal((MigrationErrorId.PeerSilent, MigrationPhase.Connect), (result.Error!.Id, result.Error.Phase));
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void A_cancel_ends_the_greeting()
    {
        using var silent = new TcpListener(System.Net.IPAddress.Loopback, 0);
        silent.Start();
        using var rig = new TlsRig(Pki.Server);
        var port = ((System.Net.IPEndPoint)silent.LocalEndpoint).Port;
        var migration = Migration.Start(rig.Guest, MigrationUri.Parse($"tcp:127.0.0.1:{port}"), new() { ConnectTimeout = Patience.Limit, Tls = Pki.Client });
        Patience.Until(silent.Pending, "the source connects");
        Assert.Equal(CancelOutcome.Cancelled, migration.Cancel().Outcome);
        rig.AssertRunsOnlyHere();
    }

    [Fact]
    public void A_destination_that_answers_in_something_else_is_said_not_to_speak_TLS()
    {
        using var web = new TcpListener(System.Net.IPAddress.Loopback, 0);
        web.Start();
        using var rig = new TlsRig(Pki.Server);
        var answering = Task.Run(() =>
        {
            using var socket = web.AcceptSocket();
            socket.Receive(new byte[4096]);
            socket.Send("HTTP/1.1 400 Bad Request\r\n\r\n"u8);
        });
        var result = rig.Migrate(Pki.Client, to: MigrationUri.Parse($"tcp:127.0.0.1:{((System.Net.IPEndPoint)web.LocalEndpoint).Port}"));
        Assert.Equal(MigrationErrorId.TlsNotSpoken, result.Error!.Id);
        Assert.True(answering.Wait(Patience.Limit));
        rig.AssertRunsOnlyHere();
    }
}
