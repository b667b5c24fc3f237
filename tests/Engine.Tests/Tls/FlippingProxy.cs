using System.Net;
using System.Net.Sockets;
using PsMigrate.Engine.Tests.Support;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Tls;

/// <summary>A link over TCP that turns one bit around on its way to the destination, and may hand on one byte at a time.</summary>
sealed class FlippingProxy : IDisposable
{
    readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    readonly MigrationUri _to;
    readonly long _flipped;
    readonly int _piece;
    readonly Thread _thread;

    /// <param name="to">Where it leads.</param>
    /// <param name="flipped">In which byte of the source's; -1 for none.</param>
    /// <param name="piece">How many bytes it hands on at a time.</param>
    public FlippingProxy(MigrationUri to, long flipped, int piece = 1 << 16)
    {
        (_to, _flipped, _piece) = (to, flipped, piece);
        _listener.Start();
        _thread = new Thread(Serve) { IsBackground = true, Name = "flipping proxy" };
        _thread.Start();
    }

    public MigrationUri Uri => MigrationUri.Parse($"tcp:127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    public void Dispose()
    {
        _listener.Stop();
        Assert.True(_thread.Join(Patience.Limit));
        _listener.Dispose();
    }

    void Serve()
    {
        try
        {
            using var near = _listener.AcceptSocket();
            using var far = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            far.Connect(_to.Host, _to.Port);
            near.NoDelay = true;
            var back = new Thread(() => Pass(far, near, -1)) { IsBackground = true };
            back.Start();
            Pass(near, far, _flipped);
            Assert.True(back.Join(Patience.Limit));
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // Nobody came, or an end has gone.
        }
    }

    void Pass(Socket from, Socket to, long flipped)
    {
        var buffer = new byte[_piece];
        try
        {
            var passed = 0L;
            for (int count; (count = from.Receive(buffer)) > 0; passed += count)
            {
                if (flipped >= passed && flipped < passed + count) buffer[flipped - passed] ^= 0x10;
                for (var sent = 0; sent < count;) sent += to.Send(buffer.AsSpan(sent, count - sent));
            }
            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // An end has gone: so has the other for who is left.
            from.Close();
            to.Close();
        }
    }
}
