using System.Net;
using System.Net.Sockets;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>Connects to a receiver.</summary>
static class Connector
{
    // How soon a cancel is seen.
    static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(20);

    /// <summary>
    /// Connects by TCP or to a unix socket; blocks. All addresses of a host are tried in order, each for its share of what is left of
    /// <paramref name="timeout"/>. Throws ConnectionRefused, ConnectTimeout, NameNotResolved, HostUnreachable, UnsupportedUri, and
    /// OperationCanceledException.
    /// </summary>
    public static IConnection Connect(MigrationUri uri, TimeSpan timeout, CancellationToken cancel) => ConnectSocket(uri, timeout, cancel);

    static SocketConnection ConnectSocket(MigrationUri uri, TimeSpan timeout, CancellationToken cancel)
    {
        if (uri is { Kind: MigrationUriKind.Tcp, Port: 0 })
            throw new MigrationException(MigrationErrorId.InvalidUri, MigrationSide.User, $"Can't connect to {uri}: port 0 is for listening.");
        var end = new Deadline(timeout);
        var endpoints = HostResolver.EndPoints(uri, end, cancel);
        MigrationException? failure = null;
        for (var i = 0; i < endpoints.Length; i++)
        {
            try
            {
                var socket = ConnectOne(endpoints[i], end.Share(endpoints.Length - i), cancel);
                return new SocketConnection(socket, uri.ToString());
            }
            catch (SocketException error)
            {
                var next = error.SocketErrorCode == SocketError.WouldBlock
                    ? LinkErrors.TooSlow(uri, timeout)
                    : LinkErrors.NotConnected(uri, error);
                // One address that answers says more about the host than one that does not.
                if (failure?.Id != MigrationErrorId.ConnectionRefused) failure = next;
            }
        }
        throw failure ?? LinkErrors.NoSuchName(uri, null);
    }

    /// <summary>
    /// The same with TLS, the greeting within the same time. Throws also TlsNotSpoken, CertificateRejected, TlsFailed, PeerSilent and
    /// ConnectionLost.
    /// </summary>
    public static IConnection ConnectTls(MigrationUri uri, TlsCredentials tls, TimeSpan timeout, CancellationToken cancel)
    {
        var end = new Deadline(timeout);
        var connection = new TlsConnection(ConnectSocket(uri, timeout, cancel), tls);
        var isLate = false;
        try
        {
            using var late = EngineThread.After(end.Left, Cut);
            using var cancelled = cancel.Register(connection.Abort);
            connection.Greet(tls.HostName switch
            {
                Model.TlsOptions.AnyHost => null,
                null when uri.Kind == MigrationUriKind.Tcp => uri.Host,
                var name => name,
            });
            cancel.ThrowIfCancellationRequested();
            return connection;
        }
        catch (Exception error)
        {
            connection.Abort();
            connection.Dispose();
            cancel.ThrowIfCancellationRequested();
            if (error is MigrationException && Volatile.Read(ref isLate))
                throw new MigrationException(MigrationErrorId.PeerSilent, MigrationSide.Link, $"{uri} takes connections and does not answer in TLS within {timeout.TotalSeconds:0.##} s.", error);
            throw;
        }

        void Cut()
        {
            Volatile.Write(ref isLate, true);
            connection.Abort();
        }
    }

    // Throws SocketException; WouldBlock when time is over.
    static Socket ConnectOne(EndPoint endpoint, Deadline end, CancellationToken cancel)
    {
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            var socket = NewSocket(endpoint.AddressFamily);
            try
            {
                if (TryConnect(socket, endpoint, end, cancel))
                {
                    SocketSystem.Default.MakeBlocking(socket);
                    return socket;
                }
            }
            catch
            {
                socket.Dispose();
                throw;
            }
            socket.Dispose();
            if (end.IsOver) throw new SocketException((int)SocketError.WouldBlock);
            cancel.WaitHandle.WaitOne(end.Limit(Slice));
        }
    }

    // False when it should be tried again: the queue of a unix listener is full, which can't be waited for.
    static bool TryConnect(Socket socket, EndPoint endpoint, Deadline end, CancellationToken cancel)
    {
        // Never by the framework's asynchronous calls: see LinuxSocketSystem.
        socket.Blocking = false;
        try
        {
            socket.Connect(endpoint);
            return true;
        }
        catch (SocketException error) when (error.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
        {
            if (endpoint is UnixDomainSocketEndPoint) return false;
        }

        // Windows shows a failure as an error condition only, Unix as writable.
        while (!socket.Poll(end.Limit(Slice), SelectMode.SelectWrite) && !socket.Poll(0, SelectMode.SelectError))
        {
            cancel.ThrowIfCancellationRequested();
            if (end.IsOver) throw new SocketException((int)SocketError.WouldBlock);
        }
        var result = (int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)!;
        if (result != 0) throw new SocketException(result);
        // A port of the ephemeral range at which nobody listens can be given to the very socket that connects to it.
        if (Equals(socket.LocalEndPoint, socket.RemoteEndPoint)) throw new SocketException((int)SocketError.ConnectionRefused);
        return true;
    }

    /// <summary>A stream socket of the family.</summary>
    internal static Socket NewSocket(AddressFamily family) =>
        new(family, SocketType.Stream, family == AddressFamily.Unix ? ProtocolType.Unspecified : ProtocolType.Tcp);
}
