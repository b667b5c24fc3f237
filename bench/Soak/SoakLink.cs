using System.Net;
using System.Net.Sockets;

namespace PsMigrate.Bench.Soak;

/// <summary>
/// The link of one migration: a port of its own that leads to a receiver of this machine. The first connection that carries so many
/// bytes suffers the fault; those that come later, to ask or to recover, get through unless another fault is planned.
/// </summary>
sealed class SoakLink : IDisposable
{
    static readonly TimeSpan Stalled = TimeSpan.FromSeconds(1);
    static readonly TimeSpan Late = TimeSpan.FromMilliseconds(20);
    const int Trickled = 2000;

    readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    readonly Lock _lock = new();
    readonly List<Socket> _sockets = [];
    readonly Queue<SoakFaultPlan> _plans;
    readonly Action<SoakFault> _happened;
    readonly int _port;
    bool _isDisposed;

    /// <param name="port">Where it leads.</param>
    /// <param name="plans">Faults, one after the other.</param>
    /// <param name="happened">Told of each when it happens.</param>
    public SoakLink(int port, IEnumerable<SoakFaultPlan> plans, Action<SoakFault> happened)
    {
        (_port, _plans, _happened) = (port, new(plans), happened);
        _listener.Start();
        Start(Accept);
    }

    /// <summary>Where to connect.</summary>
    public string Uri => $"tcp:127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            foreach (var socket in _sockets) socket.Dispose();
        }
        _listener.Dispose();
    }

    static void Start(ThreadStart run) => new Thread(run) { IsBackground = true, Name = "soak link" }.Start();

    void Accept()
    {
        try
        {
            while (true)
            {
                var near = Keep(_listener.AcceptSocket());
                var far = Keep(new Socket(SocketType.Stream, ProtocolType.Tcp));
                far.Connect(IPAddress.Loopback, _port);
                Start(() => Pass(near, far, new Sufferer(this)));
                Start(() => Pass(far, near, null));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
        {
        }
    }

    Socket Keep(Socket socket)
    {
        lock (_lock)
        {
            _sockets.Add(socket);
            if (_isDisposed) socket.Dispose();
        }
        return socket;
    }

    static void Pass(Socket from, Socket to, Sufferer? sufferer)
    {
        var buffer = new byte[1 << 16];
        try
        {
            for (int count; (count = from.Receive(buffer)) > 0;)
                if (sufferer is null) Send(to, buffer.AsSpan(0, count));
                else if (!sufferer.Pass(from, to, buffer.AsSpan(0, count))) return;
            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // An end has gone, or both were cut; neither is to wait for the other.
            from.Dispose();
            to.Dispose();
        }
    }

    static void Send(Socket to, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0) bytes = bytes[to.Send(bytes)..];
    }

    /// <summary>The direction of the source, of one connection.</summary>
    sealed class Sufferer(SoakLink link)
    {
        long _passed;
        int _trickle;
        TimeSpan _delay;

        /// <summary>False when the connection is over.</summary>
        public bool Pass(Socket from, Socket to, ReadOnlySpan<byte> bytes)
        {
            while (Due(bytes.Length) is { } plan)
            {
                var before = (int)Math.Max(0, plan.After - _passed);
                SendOn(to, bytes[..before]);
                bytes = bytes[before..];
                link._happened(plan.Fault);
                if (!Suffer(plan.Fault, from, to)) return false;
            }
            SendOn(to, bytes);
            return true;
        }

        SoakFaultPlan? Due(int count)
        {
            lock (link._lock)
                return link._plans.TryPeek(out var plan) && plan.After < _passed + count ? link._plans.Dequeue() : null;
        }

        bool Suffer(SoakFault fault, Socket from, Socket to)
        {
            switch (fault)
            {
                case SoakFault.Cut:
                    from.Shutdown(SocketShutdown.Both);
                    to.Shutdown(SocketShutdown.Both);
                    return false;
                case SoakFault.Reset:
                    from.LingerState = to.LingerState = new LingerOption(true, 0);
                    from.Dispose();
                    to.Dispose();
                    return false;
                case SoakFault.HalfClose:
                    to.Shutdown(SocketShutdown.Send);
                    return false;
                case SoakFault.Silence:
                    // Both directions stay open, and this one is not read any more.
                    return false;
                case SoakFault.Stall:
                    Thread.Sleep(Stalled);
                    return true;
                case SoakFault.Delay:
                    _delay = Late;
                    return true;
                default:
                    _trickle = Trickled;
                    to.NoDelay = true;
                    return true;
            }
        }

        void SendOn(Socket to, ReadOnlySpan<byte> bytes)
        {
            if (_delay > TimeSpan.Zero) Thread.Sleep(_delay);
            _passed += bytes.Length;
            for (; _trickle > 0 && bytes.Length > 0; _trickle--, bytes = bytes[1..]) Send(to, bytes[..1]);
            Send(to, bytes);
        }
    }
}
