using System.Net;
using System.Net.Sockets;

namespace PsMigrate.Engine.Transport;

/// <summary>
/// Reads straight from a blocking socket into one block of 1 MiB, with no thread in between. A connection that says nothing has no block, and
/// one that says little a small one: whoever can connect could fill the memory of this process with them.
/// </summary>
sealed class SocketPipeReader(Socket socket, string peer) : BlockPipeReader, IWaitedFor
{
    /// <summary>Size of the block, bytes. It is allocated when the first one was too small.</summary>
    public const int BlockSize = 1 << 20;

    // It is filled by the first page that comes.
    const int FirstBlockSize = 4 << 10;

    // Behind a run of pages comes the head of the next one, a few bytes, and then pages that have a place of their own to go to.
    const int HeadSize = 4 << 10;

    // What lies in the cache when it is asked for the next: the sender is told sooner, too, that there is room again.
    const int Piece = 256 << 10;

    volatile bool _isEnded;
    bool _followsRun;
    bool _isBusy = BusyWait.IsOfUse && IsOnThisMachine(socket);
    BusyWait _busyWait;

    bool IWaitedFor.IsThere => _isEnded || IsReady();

    public override bool CanTell => true;

    public override void WaitAsleep() => _isBusy = false;

    /// <summary>Nothing is read any more; a read that waits has to be woken.</summary>
    public void EndReading() => _isEnded = true;

    public override void ThrowIfCut()
    {
        if (IsCut) throw LinkErrors.ClosedHere(peer);
    }

    bool IsCut => _isEnded || socket.SafeHandle.IsClosed;

    protected override int Receive()
    {
        if (Block.Length == 0 && !HasSaid()) return 0;
        MoveToFront(Block.Length > 0 && (_followsRun || End == Block.Length) ? BlockSize : FirstBlockSize);
        var room = Block.AsSpan(End);
        if (_followsRun) room = room[..HeadSize];
        _followsRun = false;
        var count = Receive(room);
        End += count;
        return count;
    }

    protected override int ReceiveThrough(Span<byte> to)
    {
        _followsRun = true;
        return Receive(to[..Math.Min(to.Length, Piece)]);
    }

    /// <summary>Waits for the first byte, and leaves it there; false at the end.</summary>
    bool HasSaid()
    {
        Span<byte> first = stackalloc byte[1];
        return Receive(first, SocketFlags.Peek) > 0;
    }

    int Receive(Span<byte> room, SocketFlags flags = SocketFlags.None)
    {
        if (_isEnded) throw LinkErrors.ClosedHere(peer);
        int count;
        SocketError error;
        try
        {
            if (_isBusy) _busyWait.Wait(this);
            count = socket.Receive(room, flags, out error);
        }
        catch (ObjectDisposedException gone)
        {
            throw LinkErrors.ClosedHere(peer, gone);
        }

        // Closing a socket under a blocked read makes it look like an orderly end.
        if ((count == 0 || error != SocketError.Success) && IsCut) throw LinkErrors.ClosedHere(peer);
        if (error != SocketError.Success)
        {
            var inner = new SocketException((int)error);
            throw LinkErrors.Lost(peer, inner.Message, inner);
        }
        _busyWait.Came(count);
        return count;
    }

    static bool IsOnThisMachine(Socket socket)
    {
        try
        {
            return socket.RemoteEndPoint is UnixDomainSocketEndPoint || (socket.RemoteEndPoint is IPEndPoint end && IPAddress.IsLoopback(end.Address));
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            return false;
        }
    }

    protected override bool IsReady()
    {
        try
        {
            return socket.Poll(0, SelectMode.SelectRead);
        }
        catch (ObjectDisposedException gone)
        {
            throw LinkErrors.ClosedHere(peer, gone);
        }
    }
}
