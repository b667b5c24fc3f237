using System.Net;
using System.Net.Sockets;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>A link over TCP that breaks for good behind so many bytes of the source's; what comes back passes until then.</summary>
sealed class CuttingProxy : IDisposable
{
    readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    readonly Thread _thread;
    readonly MigrationUri _to;
    readonly bool _isReset;
    int _left;

    /// <param name="to">Where it leads.</param>
    /// <param name="bytes">How many bytes pass.</param>
    /// <param name="isReset">Whether both ends are reset; else they see an orderly end.</param>
    public CuttingProxy(MigrationUri to, int bytes, bool isReset)
    {
        (_to, _left, _isReset) = (to, bytes, isReset);
        _listener.Start();
        _thread = new Thread(Serve) { IsBackground = true, Name = "cutting proxy" };
        _thread.Start();
    }

    /// <summary>Where to connect.</summary>
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
            using var far = new Socket(SocketType.Stream, ProtocolType.Tcp);
            far.Connect(_to.Host, _to.Port);
            var back = new Thread(() => Pass(far, near, () => int.MaxValue, _ => { })) { IsBackground = true };
            back.Start();
            Pass(near, far, () => _left, count => _left -= count);
            if (_isReset) near.LingerState = far.LingerState = new LingerOption(true, 0);
            else
            {
                near.Shutdown(SocketShutdown.Both);
                far.Shutdown(SocketShutdown.Both);
            }
            near.Close();
            far.Close();
            Assert.True(back.Join(Patience.Limit));
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // Nobody came, or an end has gone.
        }
    }

    static void Pass(Socket from, Socket to, Func<int> room, Action<int> passed)
    {
        var buffer = new byte[1 << 16];
        try
        {
            while (room() > 0)
            {
                var count = from.Receive(buffer.AsSpan(0, Math.Min(buffer.Length, room())));
                if (count == 0) return;
                for (var sent = 0; sent < count;) sent += to.Send(buffer.AsSpan(sent, count - sent));
                passed(count);
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // It was cut, or one end has gone.
        }
    }
}
