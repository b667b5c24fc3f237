using System.Net;
using System.Net.Sockets;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>Listens at a TCP address or a unix socket. One thread accepts; any thread may dispose.</summary>
sealed class ConnectionListener : IDisposable
{
    // For errors that pass: no more file descriptors, or a peer that gave up in the queue.
    static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(20);

    readonly Socket _socket;
    readonly TlsCredentials? _tls;
    volatile bool _isDisposed;

    ConnectionListener(MigrationUri uri, Socket socket, TlsCredentials? tls)
    {
        Uri = uri;
        (_socket, _tls) = (socket, tls);
    }

    /// <summary>The address, with the port that was chosen if port 0 was asked for.</summary>
    public MigrationUri Uri { get; }

    /// <summary>
    /// Starts to listen at the first address of the host. The file of a unix socket that nobody listens at any more is replaced; a new
    /// one is its owner's alone (mode 0600). Throws AddressInUse, ListenFailed, NameNotResolved, UnsupportedUri.
    /// </summary>
    /// <param name="uri">Where.</param>
    /// <param name="backlog">How many may wait to be accepted.</param>
    /// <param name="tls">Connections speak TLS, and have yet to be greeted by <see cref="TlsConnection.Accept"/>; null for plain ones.</param>
    public static ConnectionListener Listen(MigrationUri uri, int backlog = 128, TlsCredentials? tls = null)
    {
        var endpoint = HostResolver.EndPoints(uri, new Deadline(Timeout.InfiniteTimeSpan), CancellationToken.None)[0];
        Socket? socket = null;
        try
        {
            socket = Bind(uri, endpoint);
            socket.Listen(backlog);
            return new(socket.LocalEndPoint is IPEndPoint bound ? uri.WithPort(bound.Port) : uri, socket, tls);
        }
        catch (Exception error)
        {
            socket?.Dispose();
            throw error switch
            {
                SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse } => LinkErrors.InUse(uri, error),
                SocketException or IOException or UnauthorizedAccessException => LinkErrors.NotListening(uri, error.Message, error),
                _ => error,
            };
        }
    }

    /// <summary>The next connection. Blocks; null once the listener is disposed.</summary>
    public IConnection? Accept()
    {
        while (!_isDisposed)
        {
            Socket? socket = null;
            try
            {
                socket = _socket.Accept();
                var peer = socket.RemoteEndPoint is IPEndPoint from ? $"tcp:{from}" : Uri.ToString();
                var plain = new SocketConnection(socket, peer);
                return _tls is null ? plain : new TlsConnection(plain, _tls);
            }
            catch (ObjectDisposedException)
            {
                return null;
            }
            catch (SocketException)
            {
                socket?.Dispose();
                if (!_isDisposed) Thread.Sleep(RetryDelay);
            }
        }
        return null;
    }

    /// <summary>Whether a connection waits to be accepted.</summary>
    public bool HasPending
    {
        get
        {
            try
            {
                return _socket.Poll(0, SelectMode.SelectRead);
            }
            catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
            {
                return false;
            }
        }
    }

    /// <summary>Stops listening, ends a waiting <see cref="Accept"/>, and removes the file of a unix socket.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        // The framework removes the file that the socket was bound to.
        _socket.Dispose();
    }

    static Socket Bind(MigrationUri uri, EndPoint endpoint)
    {
        var socket = Connector.NewSocket(endpoint.AddressFamily);
        try
        {
            if (endpoint is IPEndPoint { Address: var address } && address.Equals(IPAddress.IPv6Any)) socket.DualMode = true;
            if (endpoint is UnixDomainSocketEndPoint) RemoveStale(uri, endpoint);
            socket.Bind(endpoint);
            // Between Bind and Listen nobody can connect, so there is no moment in which others could get in.
            if (endpoint is UnixDomainSocketEndPoint && !OperatingSystem.IsWindows())
                File.SetUnixFileMode(uri.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    static void RemoveStale(MigrationUri uri, EndPoint endpoint)
    {
        if (!File.Exists(uri.Path)) return;
        if (!SocketSystem.Default.IsSocketFile(uri.Path))
            throw LinkErrors.NotListening(uri, "there is a file of that name that is no socket.");
        using var probe = Connector.NewSocket(AddressFamily.Unix);
        probe.Blocking = false;
        try
        {
            probe.Connect(endpoint);
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(uri.Path);
            return;
        }
        catch (SocketException)
        {
            // Somebody is there, and busy, or not for us; either way the address is taken.
        }
        throw LinkErrors.InUse(uri);
    }
}
