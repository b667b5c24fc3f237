using System.Net.Sockets;

namespace PsMigrate.Engine.Transport;

/// <summary>Reads straight from a blocking socket into one block of 1 MiB, with no thread in between.</summary>
sealed class SocketPipeReader(Socket socket, string peer) : BlockPipeReader
{
    /// <summary>Size of the block, bytes. It is allocated by the first read.</summary>
    public const int BlockSize = 1 << 20;

    // Behind a run of pages comes the head of the next one, a few bytes, and then pages that have a place of their own to go to.
    const int HeadSize = 4 << 10;

    // What lies in the cache when it is asked for the next: the sender is told sooner, too, that there is room again.
    const int Piece = 256 << 10;

    volatile bool _isEnded;
    bool _followsRun;

    /// <summary>Nothing is read any more; a read that waits has to be woken.</summary>
    public void EndReading() => _isEnded = true;

    public override void ThrowIfCut()
    {
        if (IsCut) throw LinkErrors.ClosedHere(peer);
    }

    bool IsCut => _isEnded || socket.SafeHandle.IsClosed;

    protected override int Receive()
    {
        MoveToFront(BlockSize);
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

    int Receive(Span<byte> room)
    {
        if (_isEnded) throw LinkErrors.ClosedHere(peer);
        int count;
        SocketError error;
        try
        {
            count = socket.Receive(room, SocketFlags.None, out error);
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
        return count;
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
