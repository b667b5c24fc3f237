namespace PsMigrate.Engine.Transport;

/// <summary>Reads what TLS has decrypted, into one block or straight to where it belongs.</summary>
sealed class TlsPipeReader(TlsConnection connection) : BlockPipeReader
{
    const int BlockSize = 256 << 10;

    // As with a socket: behind a run of pages comes the head of the next one, and then pages that have a place of their own.
    const int HeadSize = 4 << 10;

    bool _followsRun;

    public override void ThrowIfCut() => connection.ThrowIfCut();

    protected override int Receive()
    {
        MoveToFront(BlockSize);
        var room = Block.AsSpan(End);
        if (_followsRun) room = room[..HeadSize];
        _followsRun = false;
        var count = connection.Decrypt(room);
        End += count;
        return count;
    }

    protected override int ReceiveThrough(Span<byte> to)
    {
        _followsRun = true;
        return connection.Decrypt(to);
    }

    public override void WaitAsleep() => connection.WaitAsleep();

    protected override bool IsReady() => connection.IsReady;
}

/// <summary>Encrypts from one block, or straight from where the bytes lie.</summary>
sealed class TlsPipeWriter(TlsConnection connection) : BlockPipeWriter
{
    const int BlockSize = 256 << 10;

    // Four frames: a slow link shows progress by such steps.
    const int Slice = 64 << 10;

    byte[] _buffer = [];

    public override void LimitUnsent(int bytes) => connection.LimitUnsent(bytes);

    protected override byte[] Take(out int start, out int end)
    {
        if (_buffer.Length == 0) _buffer = GC.AllocateUninitializedArray<byte>(BlockSize, pinned: true);
        (start, end) = (0, BlockSize);
        return _buffer;
    }

    protected override int Send(byte[] block, int start, int count) => SendThrough(block, start, count, default);

    protected override int SendThrough(byte[] block, int start, int count, ReadOnlySpan<byte> bytes)
    {
        Encrypt(block.AsSpan(start, count));
        Encrypt(bytes);
        connection.Flush();
        return 0;
    }

    void Encrypt(ReadOnlySpan<byte> left)
    {
        while (!left.IsEmpty)
        {
            var slice = left[..Math.Min(left.Length, Slice)];
            connection.Encrypt(slice);
            Count(slice.Length);
            left = left[slice.Length..];
        }
    }

    protected override void Finish() => connection.EndOutput();
}
