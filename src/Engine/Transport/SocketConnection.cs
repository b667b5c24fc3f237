using System.Diagnostics;
using System.IO.Pipelines;
using System.Net.Sockets;

namespace PsMigrate.Engine.Transport;

/// <summary>A connected, blocking stream socket as a link.</summary>
sealed class SocketConnection : IConnection
{
    static readonly TimeSpan DrainTime = TimeSpan.FromMilliseconds(200);
    const int DrainBytes = 1 << 20;

    readonly Socket _socket;
    readonly SocketPipeReader _input;
    readonly SocketPipeWriter _output;
    int _isClosed;

    /// <summary>Takes the socket over.</summary>
    public SocketConnection(Socket socket, string peer)
    {
        // The writer gathers by itself; waiting for more would only delay what was flushed on purpose.
        if (socket.ProtocolType == ProtocolType.Tcp) socket.NoDelay = true;
        else SocketSystem.Default.Widen(socket);
        _socket = socket;
        Peer = peer;
        _input = new(socket, peer);
        _output = new(socket, peer);
    }

    public PipeReader Input => _input;

    public PipeWriter Output => _output;

    public long BytesSent => _output.BytesSent;

    public long BytesReceived => _input.BytesReceived;

    public LinkWaits Waits => _socket.ProtocolType != ProtocolType.Tcp ? LinkWaits.WithoutLink(_output.WriteTime)
        : SocketSystem.Default.Busy(_socket) is { } busy ? new(_output.WriteTime, busy.All, busy.Receiver)
        : new(_output.WriteTime, null, TimeSpan.Zero);

    public string Peer { get; }

    /// <summary>Whether a read would find something, if only the end.</summary>
    public bool IsReadable => Poll(SelectMode.SelectRead);

    /// <summary>Whether a few bytes could be written without waiting.</summary>
    public bool IsWritable => Poll(SelectMode.SelectWrite);

    public bool HasLeft(bool isAnswered) => Volatile.Read(ref _isClosed) != 0 || SocketSystem.Default.HasLeft(_socket, isAnswered);

    public void Abort()
    {
        Volatile.Write(ref _isClosed, 1);
        try
        {
            // A reset reaches even a peer that is blocked in a write, and does not queue behind data that nobody takes.
            if (_socket.ProtocolType == ProtocolType.Tcp) _socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // Closed or reset already.
        }
        _socket.Close(0);
    }

    public void EndInput()
    {
        _input.EndReading();
        try
        {
            // Wakes a read that waits.
            _socket.Shutdown(SocketShutdown.Receive);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // Then there is nothing to read anyway.
        }
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isClosed, 1) != 0) return;
        try
        {
            _socket.Shutdown(SocketShutdown.Send);
            Drain();
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // The other end has gone, or Abort came between: there is nobody left to be polite to.
        }
        _socket.Close();
    }

    bool Poll(SelectMode mode)
    {
        try
        {
            return _socket.Poll(0, mode);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            return false;
        }
    }

    // Closing a TCP socket that holds unread bytes sends a reset, and a reset takes back bytes that are still on their way out. So
    // what comes in is thrown away until the other end closes too, for a short while.
    void Drain()
    {
        var clock = Stopwatch.StartNew();
        var scratch = new byte[16 << 10];
        for (var total = 0; total < DrainBytes;)
        {
            var left = DrainTime - clock.Elapsed;
            if (left <= TimeSpan.Zero || !_socket.Poll(left, SelectMode.SelectRead)) return;
            var count = _socket.Receive(scratch, SocketFlags.None, out _);
            if (count == 0) return;
            total += count;
        }
    }
}
