using System.Net;
using System.Net.Sockets;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>A link over TCP that can be cut: what connects to it is passed on to a port of this machine, in both directions.</summary>
sealed class LinkProxy : IDisposable
{
    readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    readonly Lock _gate = new();
    readonly List<Socket> _sockets = [];
    readonly int _to;
    readonly TimeSpan _delay;
    bool _isDisposed;

    /// <param name="to">The port.</param>
    /// <param name="delay">How long each piece of what comes back is held: a long way there and back.</param>
    public LinkProxy(int to, TimeSpan delay = default)
    {
        (_to, _delay) = (to, delay);
        _listener.Start();
        Start(Accept);
    }

    /// <summary>Where to connect.</summary>
    public string Uri => $"tcp:127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    /// <summary>Ends what is connected, without notice: whoever connects anew gets through.</summary>
    public void Cut()
    {
        lock (_gate)
        {
            foreach (var socket in _sockets)
            {
                if (socket.Connected) socket.Shutdown(SocketShutdown.Both);
                socket.Close();
            }
            _sockets.Clear();
        }
    }

    public void Dispose()
    {
        lock (_gate) _isDisposed = true;
        _listener.Dispose();
        Cut();
    }

    static void Start(ThreadStart run) => new Thread(run) { IsBackground = true, Name = "link proxy" }.Start();

    void Accept()
    {
        try
        {
            while (true)
            {
                var near = _listener.AcceptSocket();
                var far = new Socket(SocketType.Stream, ProtocolType.Tcp);
                lock (_gate)
                {
                    _sockets.AddRange(near, far);
                    if (_isDisposed) Cut();
                }
                far.Connect(IPAddress.Loopback, _to);
                Start(() => Pass(near, far, TimeSpan.Zero));
                Start(() => Pass(far, near, _delay));
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The end.
        }
    }

    static void Pass(Socket from, Socket to, TimeSpan delay)
    {
        var buffer = new byte[1 << 16];
        try
        {
            for (int count; (count = from.Receive(buffer)) > 0; to.Send(buffer.AsSpan(0, count))) Thread.Sleep(delay);
            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // It was cut, or one end has gone.
        }
    }
}
