namespace PsMigrate.Engine.Transport;

/// <summary>
/// The encrypted bytes of a connection as the stream that <see cref="System.Net.Security.SslStream"/> wants. Everything blocks, and what it
/// calls asynchronous is over when the call returns. One thread reads and one writes.
/// </summary>
sealed class TlsWire(BlockPipeReader input, BlockPipeWriter output) : Stream
{
    // A frame has 16 KiB, and is asked for in several pieces; what lies in the cache meanwhile costs nothing.
    const int BufferSize = 256 << 10;

    // Until it is known who is there: those that say nothing may be many.
    const int GreetingSize = 8 << 10;

    // What is smaller leaves together with what follows.
    const int Small = 4 << 10;

    byte[] _buffer = new byte[GreetingSize];
    int _start;
    int _end;

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Whether what is written leaves before anything is waited for: while the ends greet each other, one thread does both.</summary>
    public bool IsGreeting { get; set; } = true;

    /// <summary>The first byte that came; null while none did.</summary>
    public byte? FirstByte { get; private set; }

    /// <summary>Whether bytes are there that were not read.</summary>
    public bool HasBuffered => _start < _end;

    /// <summary>The first bytes, which stay there: so many, or fewer at the end. Throws ConnectionLost.</summary>
    public ReadOnlySpan<byte> Peek(int count)
    {
        while (_end - _start < count)
        {
            var more = input.ReadThrough(_buffer.AsSpan(_end));
            if (more == 0) break;
            _end += more;
            FirstByte ??= _buffer[0];
        }
        return _buffer.AsSpan(_start, Math.Min(count, _end - _start));
    }

    public override int Read(Span<byte> buffer)
    {
        if (_start == _end)
        {
            if (IsGreeting) Push();
            else if (_buffer.Length < BufferSize) _buffer = GC.AllocateUninitializedArray<byte>(BufferSize, pinned: true);
            (_start, _end) = (0, input.ReadThrough(_buffer));
            if (_end > 0) FirstByte ??= _buffer[0];
        }
        var count = Math.Min(buffer.Length, _end - _start);
        _buffer.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
        return count;
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (buffer.Length >= Small)
        {
            output.WriteThrough(buffer);
            return;
        }
        buffer.CopyTo(output.GetSpan(buffer.Length));
        output.Advance(buffer.Length);
    }

    /// <summary>What was kept leaves.</summary>
    public void Push()
    {
        var flush = output.FlushAsync();
        if (!flush.IsCompletedSuccessfully) flush.AsTask().GetAwaiter().GetResult();
    }

    // Called when a connection that may be gone is disposed of, too.
    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(Read(buffer.Span));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => Task.FromResult(Read(buffer, offset, count));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.Span);
        return default;
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        Write(buffer, offset, count);
        return Task.CompletedTask;
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
