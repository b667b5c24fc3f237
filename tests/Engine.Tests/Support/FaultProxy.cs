using System.Buffers;
using System.Net;
using System.Net.Sockets;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>
/// A link over TCP with faults: what connects to it is passed on, in both directions. One connection suffers them, usually the first; a later
/// one, with which a source asks what became of its guest, passes whole.
/// </summary>
sealed class FaultProxy : IDisposable
{
    readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    readonly ManualResetEventSlim _released = new();
    readonly ManualResetEventSlim _comesBack = new(true);
    readonly Lock _gate = new();
    readonly List<Socket> _sockets = [];
    readonly List<Thread> _threads = [];
    readonly MigrationUri _to;
    readonly LinkFault _forward;
    readonly LinkFault _back;
    volatile bool _hasStruck;
    bool _isDisposed;

    /// <param name="to">Where it leads.</param>
    /// <param name="forward">What befalls the bytes of whoever connects.</param>
    /// <param name="back">What befalls the bytes that come back.</param>
    public FaultProxy(MigrationUri to, LinkFault? forward = null, LinkFault? back = null)
    {
        (_to, _forward, _back) = (to, forward ?? new(), back ?? new());
        _listener.Start();
        Start(Accept);
    }

    /// <summary>Where to connect.</summary>
    public MigrationUri Uri => MigrationUri.Parse($"tcp:127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    /// <summary>Which connection suffers the faults and is shown to whoever looks; 1 is the first, and 0 is each.</summary>
    public int Struck { get; init; } = 1;

    /// <summary>Whether a direction has come to where it ends or stalls.</summary>
    public bool HasStruck => _hasStruck;

    /// <summary>Is shown what passes forward on that connection.</summary>
    public BytesWriter? Forward { get; init; }

    /// <summary>Is shown what comes back on it.</summary>
    public BytesWriter? Back { get; init; }

    /// <summary>So many connections behind the first one are closed at once: nobody can be asked for a while.</summary>
    public int RefusedAfterwards { get; init; }

    /// <summary>How many connections came.</summary>
    public int Connections { get; private set; }

    /// <summary>What stalls goes on, and what waited arrives late.</summary>
    public void Release() => _released.Set();

    /// <summary>From now on nothing comes back, until all is cut.</summary>
    public void HoldBack() => _comesBack.Reset();

    /// <summary>Ends what is connected, without notice: whoever connects anew gets through.</summary>
    public void Cut()
    {
        End(isReset: false);
        _comesBack.Set();
    }

    public void Dispose()
    {
        lock (_gate) _isDisposed = true;
        _released.Set();
        _listener.Dispose();
        Cut();
        Thread[] threads;
        lock (_gate) threads = [.. _threads];
        foreach (var thread in threads) Assert.True(thread.Join(Patience.Limit), "A thread of the fault proxy hangs.");
    }

    void Start(ThreadStart run)
    {
        var thread = new Thread(run) { IsBackground = true, Name = "fault proxy" };
        lock (_gate) _threads.Add(thread);
        thread.Start();
    }

    void End(bool isReset)
    {
        lock (_gate)
        {
            foreach (var socket in _sockets) Close(socket, isReset);
            _sockets.Clear();
        }
    }

    static void Close(Socket socket, bool isReset)
    {
        try
        {
            if (isReset) socket.LingerState = new LingerOption(true, 0);
            else socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // It was not connected, or its end has gone.
        }
        socket.Close();
    }

    void Accept()
    {
        try
        {
            while (true) Serve(_listener.AcceptSocket());
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The end.
        }
    }

    void Serve(Socket near)
    {
        Connections++;
        var isStruck = Struck == 0 || Connections == Struck;
        var isRefused = Connections > 1 && Connections <= 1 + RefusedAfterwards;
        var far = new Socket(SocketType.Stream, ProtocolType.Tcp);
        lock (_gate)
        {
            _sockets.AddRange(near, far);
            if (_isDisposed || isRefused)
            {
                Close(near, isReset: false);
                Close(far, isReset: false);
                return;
            }
        }
        try
        {
            far.Connect(_to.Host, _to.Port);
            near.NoDelay = far.NoDelay = true;
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // Nobody is there, or it was cut.
            Close(near, isReset: true);
            return;
        }
        Start(() => Pass(near, far, isStruck ? _forward : new(), isStruck ? Forward : null, isBack: false));
        Start(() => Pass(far, near, isStruck ? _back : new(), isStruck ? Back : null, isBack: true));
    }

    void Pass(Socket from, Socket to, LinkFault fault, BytesWriter? seen, bool isBack)
    {
        var buffer = new byte[fault.Piece];
        try
        {
            for (long passed = 0; ;)
            {
                var ends = fault.Ends && !_released.IsSet;
                if (ends && passed >= fault.At && !Strike(from, to, fault.Kind)) return;
                var room = ends && passed < fault.At ? (int)Math.Min(buffer.Length, fault.At - passed) : buffer.Length;
                var piece = buffer.AsSpan(0, from.Receive(buffer.AsSpan(0, room)));
                if (piece.Length == 0) break;
                Flip(piece, fault, passed);
                Hold(piece.Length, fault);
                if (isBack) _comesBack.Wait();
                seen?.Write(piece);
                for (var sent = 0; sent < piece.Length;) sent += to.Send(piece[sent..]);
                passed += piece.Length;
            }
            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // It was cut, or one end has gone, and the other one learns it.
            Close(from, isReset: true);
            Close(to, isReset: true);
        }
    }

    static void Flip(Span<byte> piece, LinkFault fault, long passed)
    {
        if (fault.Kind == LinkFaultKind.Flip && fault.At >= passed && fault.At < passed + piece.Length) piece[(int)(fault.At - passed)] ^= (byte)(1 << fault.Bit);
    }

    static void Hold(int count, LinkFault fault)
    {
        if (fault.Delay > TimeSpan.Zero) Thread.Sleep(fault.Delay);
        if (fault.Rate > 0) Thread.Sleep(TimeSpan.FromSeconds((double)count / fault.Rate));
    }

    /// <summary>Whether this direction goes on afterwards.</summary>
    bool Strike(Socket from, Socket to, LinkFaultKind kind)
    {
        _hasStruck = true;
        switch (kind)
        {
            case LinkFaultKind.Stall:
                _released.Wait();
                return true;
            case LinkFaultKind.HalfClose:
                to.Shutdown(SocketShutdown.Send);
                // Whoever sends is not to notice by a full buffer.
                for (var rest = new byte[1 << 16]; from.Receive(rest) > 0;)
                {
                }
                return false;
            default:
                End(isReset: kind == LinkFaultKind.Reset);
                return false;
        }
    }
}
