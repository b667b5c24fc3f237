using System.Diagnostics;
using System.Net.Sockets;

namespace PsMigrate.Engine.Transport;

/// <summary>
/// Writes straight to a blocking socket from one block of 1 MiB, with no thread in between; who writes little has a small one, as the many
/// that may connect to a receiver.
/// </summary>
sealed class SocketPipeWriter(Socket socket, string peer) : BlockPipeWriter
{
    /// <summary>Size of the block, bytes. It is allocated when the first one was too small.</summary>
    public const int BlockSize = 1 << 20;

    // A slow link shows progress by small slices, where a whole block may take it minutes; a fast one is sent whole blocks, since
    // slices of 128 KiB cost it a quarter of its rate.
    const int SmallestSlice = 64 << 10;
    static readonly TimeSpan Quick = TimeSpan.FromMilliseconds(50);
    static readonly TimeSpan Slow = TimeSpan.FromMilliseconds(500);

    int _slice = SmallestSlice;
    byte[] _buffer = [];
    bool _wasFull;

    public override void LimitUnsent(int bytes)
    {
        try
        {
            SocketSystem.Default.LimitUnsent(socket, bytes);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // Only slower, unless the link is gone: then the next write tells.
        }
    }

    protected override byte[] Take(out int start, out int end)
    {
        var size = _wasFull ? BlockSize : MaxSizeHint;
        if (_buffer.Length < size) _buffer = GC.AllocateUninitializedArray<byte>(size, pinned: true);
        (start, end) = (0, _buffer.Length);
        return _buffer;
    }

    protected override int Send(byte[] block, int start, int count)
    {
        _wasFull |= count > block.Length / 2;
        return Send(default, block.AsSpan(start, count));
    }

    protected override int SendThrough(byte[] block, int start, int count, ReadOnlySpan<byte> bytes)
    {
        _wasFull |= count > block.Length / 2;
        // One call takes the head and the pages behind it; a full block goes by itself.
        var head = block.AsSpan(start, count);
        return count > SmallestSlice / 2 ? Send(default, head) + Send(default, bytes) : Send(head, bytes);
    }

    int Send(ReadOnlySpan<byte> head, ReadOnlySpan<byte> left)
    {
        while (!left.IsEmpty)
        {
            var began = Stopwatch.GetTimestamp();
            var sent = SendSlice(head, left[..Math.Min(left.Length, _slice)]);
            Count(sent);
            var ofHead = Math.Min(head.Length, sent);
            head = head[ofHead..];
            left = left[(sent - ofHead)..];
            var took = Stopwatch.GetElapsedTime(began);
            if (took > Slow) _slice = SmallestSlice;
            else if (took < Quick) _slice = Math.Min(2 * _slice, BlockSize);
        }
        return 0;
    }

    int SendSlice(ReadOnlySpan<byte> head, ReadOnlySpan<byte> bytes)
    {
        SocketError error;
        int sent;
        try
        {
            sent = head.IsEmpty ? socket.Send(bytes, SocketFlags.None, out error) : SocketSystem.Default.Send(socket, head, bytes, out error);
        }
        catch (ObjectDisposedException gone)
        {
            throw LinkErrors.ClosedHere(peer, gone);
        }
        if (error == SocketError.Success) return sent;
        var inner = new SocketException((int)error);
        throw socket.SafeHandle.IsClosed ? LinkErrors.ClosedHere(peer, inner) : LinkErrors.Lost(peer, inner.Message, inner);
    }

    protected override void Finish()
    {
        try
        {
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // The link is gone already, so the other end has been told.
        }
    }
}
