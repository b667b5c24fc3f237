namespace PsMigrate.Engine.Transport;

/// <summary>
/// A FIFO, opened when it is first used. Whatever waits, for the other end too, waits in slices and can be broken off; the framework's
/// calls would stay in the kernel for as long as nobody comes.
/// </summary>
/// <param name="path">The FIFO.</param>
/// <param name="isWritten">Whether it is written to; else it is read.</param>
/// <param name="isAborted">Asked in each slice.</param>
/// <param name="calls">Those of this operating system.</param>
sealed class FifoStream(string path, bool isWritten, Func<bool> isAborted, IFileCalls calls) : Stream
{
    // PIPE_BUF: so much is taken whole when there is room at all.
    const int Piece = 4096;

    static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(50);

    FileStream? _file;

    public override bool CanRead => !isWritten;

    public override bool CanWrite => isWritten;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException("a FIFO has no places.");
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer) => Ready().Read(buffer);

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            var part = buffer[..Math.Min(Piece, buffer.Length)];
            Ready().Write(part);
            buffer = buffer[part.Length..];
        }
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        _file?.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>The file, once the next call would not block.</summary>
    FileStream Ready()
    {
        for (; ; )
        {
            if (isAborted()) throw new IOException("it was broken off.");
            if (_file is null && calls.OpenFifo(path, isWritten) is { } opened)
                _file = new FileStream(opened, isWritten ? FileAccess.Write : FileAccess.Read, bufferSize: 0);
            if (_file is null) Thread.Sleep(Slice);
            else if (calls.WaitReady(_file.SafeFileHandle, isWritten, Slice)) return _file;
        }
    }
}
