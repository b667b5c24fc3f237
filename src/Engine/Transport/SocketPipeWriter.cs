using System.Diagnostics;
using System.Net.Sockets;

namespace PsMigrate.Engine.Transport;

/// <summary>Writes straight to a blocking socket from one block of 1 MiB, with no thread in between.</summary>
sealed class SocketPipeWriter(Socket socket, string peer) : BlockPipeWriter
{
    /// <summary>Size of the block, bytes. It is allocated by the first write.</summary>
    public const int BlockSize = 1 << 20;

    // A slow link shows progress by small slices, where a whole block may take it minutes; a fast one is sent whole blocks, since
    // slices of 128 KiB cost it a quarter of its rate.
    const int SmallestSlice = 64 << 10;
    static readonly TimeSpan Quick = TimeSpan.FromMilliseconds(50);
    static readonly TimeSpan Slow = TimeSpan.FromMilliseconds(500);

    int _slice = SmallestSlice;
    byte[] _buffer = [];

    protected override byte[] Take(out int start, out int end)
    {
        if (_buffer.Length == 0) _buffer = GC.AllocateUninitializedArray<byte>(BlockSize, pinned: true);
        (start, end) = (0, BlockSize);
        return _buffer;
    }

    protected override int Send(byte[] block, int start, int count)
    {
        var left = block.AsSpan(start, count);
        while (!left.IsEmpty)
        {
            var began = Stopwatch.GetTimestamp();
            SocketError error;
            int sent;
            try
            {
                sent = socket.Send(left[..Math.Min(left.Length, _slice)], SocketFlags.None, out error);
            }
            catch (ObjectDisposedException gone)
            {
                throw LinkErrors.ClosedHere(peer, gone);
            }
            if (error != SocketError.Success)
            {
                var inner = new SocketException((int)error);
                throw socket.SafeHandle.IsClosed ? LinkErrors.ClosedHere(peer, inner) : LinkErrors.Lost(peer, inner.Message, inner);
            }
            left = left[sent..];
            Count(sent);
            var took = Stopwatch.GetElapsedTime(began);
            if (took > Slow) _slice = SmallestSlice;
            else if (took < Quick) _slice = Math.Min(2 * _slice, BlockSize);
        }
        return 0;
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
