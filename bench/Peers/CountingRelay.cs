using System.Net;
using System.Net.Sockets;

namespace PsMigrate.Bench.Peers;

/// <summary>Stands between a source and a destination and counts the bytes that go there, over all connections.</summary>
sealed class CountingRelay : IDisposable
{
    readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    readonly IPEndPoint _target;
    long _bytes;

    /// <param name="port">Where the destination listens, on loopback.</param>
    public CountingRelay(int port)
    {
        _target = new IPEndPoint(IPAddress.Loopback, port);
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        Start(Accept);
    }

    /// <summary>For the source.</summary>
    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    /// <summary>What has gone to the destination.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    public void Dispose() => _listener.Dispose();

    static void Start(Action action) => new Thread(() =>
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // One of the ends is done.
        }
    })
    { IsBackground = true, Name = "relay" }.Start();

    void Accept()
    {
        while (true)
        {
            var (near, far) = (_listener.Accept(), new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
            far.Connect(_target);
            Start(() => Pump(near, far, isForward: true));
            Start(() => Pump(far, near, isForward: false));
        }
    }

    void Pump(Socket from, Socket to, bool isForward)
    {
        var buffer = new byte[256 << 10];
        for (int count; (count = from.Receive(buffer)) > 0;)
        {
            if (isForward) Interlocked.Add(ref _bytes, count);
            for (var sent = 0; sent < count;) sent += to.Send(buffer, sent, count - sent, SocketFlags.None);
        }
        to.Shutdown(SocketShutdown.Send);
    }
}
