using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>Writes to a file or the input of a command from one block of 1 MiB.</summary>
/// <param name="stream">Written by this object alone, unbuffered.</param>
/// <param name="failed">The typed error for one of the system's.</param>
/// <param name="isAborted">Whether the link was cut at this end.</param>
sealed class StreamPipeWriter(Stream stream, Func<Exception, MigrationException> failed, Func<bool> isAborted) : BlockPipeWriter
{
    const int BlockSize = 1 << 20;

    // A cut is seen, and progress shows, between two of these.
    const int Slice = 256 << 10;

    byte[] _buffer = [];

    /// <summary>Counts bytes that were written past this object.</summary>
    public void CountWritten(long bytes) => Count(bytes);

    /// <summary>Goes on at another place of a file. Only when everything is flushed.</summary>
    public void MoveTo(long position) => stream.Position = position;

    protected override byte[] Take(out int start, out int end)
    {
        if (_buffer.Length == 0) _buffer = GC.AllocateUninitializedArray<byte>(BlockSize, pinned: true);
        (start, end) = (0, BlockSize);
        return _buffer;
    }

    protected override int Send(byte[] block, int start, int count) => Send(block.AsSpan(start, count));

    protected override int SendThrough(byte[] block, int start, int count, ReadOnlySpan<byte> bytes) =>
        Send(block.AsSpan(start, count)) + Send(bytes);

    int Send(ReadOnlySpan<byte> left)
    {
        try
        {
            while (!left.IsEmpty)
            {
                if (isAborted()) throw new IOException("it was broken off.");
                var part = left[..Math.Min(left.Length, Slice)];
                stream.Write(part);
                Count(part.Length);
                left = left[part.Length..];
            }
            return 0;
        }
        catch (Exception e) when (e is ObjectDisposedException || OneWayErrors.IsFileError(e))
        {
            throw failed(e);
        }
    }

    protected override void Finish()
    {
        // The connection closes the stream.
    }
}
