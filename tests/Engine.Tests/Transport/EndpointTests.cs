using System.Diagnostics;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Transport;

public class EndpointTests
{
    [Fact]
    public void A_port_at_which_nobody_listens_refuses()
    {
        MigrationUri uri;
        using (var listener = ConnectionListener.Listen(MigrationUri.Parse("tcp:localhost:0"))) uri = listener.Uri;
        var error = Assert.Throws<MigrationException>(() => Connector.Connect(uri, Links.Bound, default));
        Assert.Equal(MigrationErrorId.ConnectionRefused, error.Id);
        Assert.Equal(MigrationSide.Link, error.Side);
        Assert.Contains("nobody listens", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tcp:127.0.0.1:0")]
    [InlineData("unix")]
    public void A_listener_that_is_full_is_a_timeout_and_can_be_cancelled(string address)
    {
        using var listener = ConnectionListener.Listen(MigrationUri.Parse(address == "unix" ? $"unix:{Links.SocketPath()}" : address), backlog: 0);
        var queued = new List<IConnection>();
        var clock = Stopwatch.StartNew();
        var error = Assert.Throws<MigrationException>(() =>
        {
            for (var i = 0; i < 8; i++)
            {
                clock.Restart();
                queued.Add(Connector.Connect(listener.Uri, TimeSpan.FromMilliseconds(300), default));
            }
        });
        Assert.Equal(MigrationErrorId.ConnectTimeout, error.Id);
        Assert.InRange(clock.ElapsedMilliseconds, 250, 3000);

        using var cancel = new CancellationTokenSource(100);
        Assert.ThrowsAny<OperationCanceledException>(() => Connector.Connect(listener.Uri, TimeSpan.FromMinutes(1), cancel.Token));
        queued.ForEach(one => one.Abort());
    }

    [Fact]
    public void Names_that_can_not_be_resolved_are_said_to_be_so()
    {
        Assert.Equal(MigrationErrorId.NameNotResolved,
            Links.ErrorOf(() => Connector.Connect(MigrationUri.Parse("tcp:no-such-host.invalid:1"), TimeSpan.FromSeconds(20), default)));
        Assert.Equal(MigrationErrorId.NameNotResolved,
            Links.ErrorOf(() => ConnectionListener.Listen(MigrationUri.Parse("tcp:no-such-host.invalid:1"))));
    }

    [Fact]
    public void What_is_no_socket_is_not_supported_here()
    {
        foreach (var text in new[] { "file:/tmp/x", "exec:true" })
        {
            Assert.Equal(MigrationErrorId.UnsupportedUri, Links.ErrorOf(() => Connector.Connect(MigrationUri.Parse(text), Links.Bound, default)));
            Assert.Equal(MigrationErrorId.UnsupportedUri, Links.ErrorOf(() => ConnectionListener.Listen(MigrationUri.Parse(text))));
        }
        Assert.Throws<ArgumentException>(() => Connector.Connect(MigrationUri.Parse("local"), Links.Bound, default));
    }

    [Fact]
    public void A_port_in_use_is_said_to_be_so()
    {
        using var listener = ConnectionListener.Listen(MigrationUri.Parse("tcp:127.0.0.1:0"));
        Assert.NotEqual(0, listener.Uri.Port);
        Assert.Equal(MigrationErrorId.AddressInUse, Links.ErrorOf(() => ConnectionListener.Listen(listener.Uri)));
    }

    [Fact]
    public void An_address_of_another_machine_can_not_be_listened_at() =>
        Assert.Equal(MigrationErrorId.ListenFailed, Links.ErrorOf(() => ConnectionListener.Listen(MigrationUri.Parse("tcp:192.0.2.1:0"))));

    [Fact]
    public void A_socket_file_is_private_and_goes_with_its_listener()
    {
        var uri = MigrationUri.Parse($"unix:{Links.SocketPath()}");
        Assert.Equal(MigrationErrorId.ConnectionRefused, Links.ErrorOf(() => Connector.Connect(uri, Links.Bound, default)));
        using (var listener = ConnectionListener.Listen(uri))
        {
            if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(uri.Path));
            Assert.Equal(MigrationErrorId.AddressInUse, Links.ErrorOf(() => ConnectionListener.Listen(uri)));
            Assert.True(File.Exists(uri.Path));
        }
        Assert.False(File.Exists(uri.Path));
    }

    [Fact]
    public void A_stale_socket_file_is_replaced_and_any_other_file_is_not()
    {
        var uri = MigrationUri.Parse($"unix:{Links.SocketPath()}");
        var moved = uri.Path + "2";
        using (ConnectionListener.Listen(uri)) File.Move(uri.Path, moved);
        File.Move(moved, uri.Path);
        using (var listener = ConnectionListener.Listen(uri))
        {
            using var source = Connector.Connect(uri, Links.Bound, default);
            using var destination = listener.Accept();
            Assert.NotNull(destination);
        }
        File.WriteAllText(uri.Path, "");
        Assert.Equal(MigrationErrorId.ListenFailed, Links.ErrorOf(() => ConnectionListener.Listen(uri)));
        Assert.True(File.Exists(uri.Path));
        File.Delete(uri.Path);
    }

    [Theory]
    [InlineData("tcp:127.0.0.1:0")]
    [InlineData("unix")]
    public void Dispose_ends_a_waiting_Accept(string address)
    {
        var listener = ConnectionListener.Listen(MigrationUri.Parse(address == "unix" ? $"unix:{Links.SocketPath()}" : address));
        var accepting = Links.Run(listener.Accept);
        Thread.Sleep(100);
        listener.Dispose();
        Assert.Null(Links.Await(accepting));
        Assert.Null(listener.Accept());
    }
}
