using System.Net.Sockets;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Transport;

/// <summary>Pairs of connected ends, and bounded waits.</summary>
static class Links
{
    public static readonly TimeSpan Bound = TimeSpan.FromSeconds(5);

    public static TheoryData<string> Kinds => Socket.OSSupportsIPv6 && HasIPv6() ? ["tcp4", "tcp6", "unix", "local", "tls", "tls-unix"] : ["tcp4", "unix", "local", "tls", "tls-unix"];

    public static (IConnection Source, IConnection Destination) Open(string kind)
    {
        if (kind == "local") return LocalLink.Create("local");
        if (kind.StartsWith("tls", StringComparison.Ordinal))
            return OpenTls(kind == "tls" ? "tcp:127.0.0.1:0" : $"unix:{SocketPath()}", TlsPki.Shared.Server, TlsPki.Shared.Client);
        using var listener = ConnectionListener.Listen(MigrationUri.Parse(kind switch
        {
            "tcp4" => "tcp:127.0.0.1:0",
            "tcp6" => "tcp:[::1]:0",
            _ => $"unix:{SocketPath()}",
        }));
        var source = Connector.Connect(listener.Uri, Bound, CancellationToken.None);
        return (source, listener.Accept()!);
    }

    /// <summary>Both ends have greeted each other. Throws what the end that connects fails of, or else the other.</summary>
    public static (IConnection Source, IConnection Destination) OpenTls(string uri, TlsOptions server, TlsOptions client)
    {
        using var listener = ConnectionListener.Listen(MigrationUri.Parse(uri), tls: new TlsCredentials(server, isServer: true));
        var accepting = Run(() =>
        {
            var accepted = (TlsConnection)listener.Accept()!;
            try
            {
                accepted.Accept(out _);
                return accepted;
            }
            catch
            {
                accepted.Dispose();
                throw;
            }
        });
        var source = Connector.ConnectTls(listener.Uri, new TlsCredentials(client, isServer: false), Bound, CancellationToken.None);
        return (source, Await(accepting));
    }

    public static string SocketPath() => Path.Combine(Path.GetTempPath(), $"psm-{Guid.NewGuid():N}.sock");

    /// <summary>Runs on a thread of its own, as the engine does.</summary>
    public static Task<T> Run<T>(Func<T> body) => Task.Factory.StartNew(body, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    public static T Await<T>(Task<T> task)
    {
        Assert.True(Task.WaitAny([task], Bound) == 0, "It did not end within the bound.");
        return task.GetAwaiter().GetResult();
    }

    public static MigrationErrorId ErrorOf(Action body) => Assert.Throws<MigrationException>(body).Id;

    static bool HasIPv6()
    {
        try
        {
            using var listener = ConnectionListener.Listen(MigrationUri.Parse("tcp:[::1]:0"));
            return true;
        }
        catch (MigrationException)
        {
            return false;
        }
    }
}
