using System.IO.Pipelines;

namespace PsMigrate.Engine.Transport;

/// <summary>A link inside this process that carries the same bytes as any other.</summary>
static class LocalLink
{
    // Pages go one way; the other way there are only short messages.
    const int ForwardBlock = 512 << 10;
    const int BackwardBlock = 64 << 10;

    /// <summary>The two ends of a new link. Memory: up to four blocks of 576 KiB forward and of 128 KiB backward, made when needed.</summary>
    public static (IConnection Source, IConnection Destination) Create(string description)
    {
        var forward = new LocalChannel(description, ForwardBlock);
        var backward = new LocalChannel(description, BackwardBlock);
        return (new LocalConnection(backward, forward, description),
            new LocalConnection(forward, backward, description));
    }
}

/// <summary>One end of a local link.</summary>
sealed class LocalConnection(LocalChannel from, LocalChannel to, string peer) : IConnection
{
    readonly LocalPipeReader _input = new(from);
    readonly LocalPipeWriter _output = new(to);
    int _isClosed;

    public PipeReader Input => _input;

    public PipeWriter Output => _output;

    public long BytesSent => _output.BytesSent;

    public long BytesReceived => _input.BytesReceived;

    public LinkWaits Waits => LinkWaits.WithoutLink(_output.WriteTime);

    public string Peer { get; } = peer;

    public bool HasLeft(bool isAnswered) => Volatile.Read(ref _isClosed) != 0 || from.HasNoWriter(isAnswered);

    public void Abort()
    {
        // What an orderly end left for the other end stays readable, as it does with sockets.
        if (Interlocked.Exchange(ref _isClosed, 1) != 0) return;
        from.Cut();
        to.Cut();
    }

    public void EndInput() => from.CloseReader();

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isClosed, 1) != 0) return;
        to.CloseWriter();
        from.CloseReader();
    }
}

/// <summary>Gets the writer's blocks themselves; only a remainder is copied, in front of the next one.</summary>
sealed class LocalPipeReader(LocalChannel channel) : BlockPipeReader
{
    // For what is offered in place and read piece by piece all the same.
    byte[] _own = [];

    public override void ThrowIfCut() => channel.CheckReader();

    public override void WaitAsleep() => channel.WaitAsleep();

    protected override int Receive()
    {
        switch (channel.Next(out var next, out var count))
        {
            case LocalPiece.Block:
                Replace(next);
                break;
            case LocalPiece.Offer:
                if (_own.Length == 0) _own = GC.AllocateUninitializedArray<byte>(2 * LocalChannel.Headroom, pinned: true);
                Replace(_own);
                count = channel.TakeOffered(_own.AsSpan(LocalChannel.Headroom));
                break;
        }
        End += count;
        return count;
    }

    protected override int ReceiveThrough(Span<byte> to)
    {
        switch (channel.Next(out var next, out var count))
        {
            case LocalPiece.Offer:
                return channel.TakeOffered(to);
            case LocalPiece.Block:
                Replace(next);
                End += count;
                count = Math.Min(count, to.Length);
                Block.AsSpan(Start, count).CopyTo(to);
                Start += count;
                return count;
            default:
                return 0;
        }
    }

    /// <summary>Goes on in another block, with what is unconsumed in front of its data.</summary>
    void Replace(byte[] next)
    {
        var left = Block.AsSpan(Start, End - Start);
        var start = LocalChannel.Headroom - left.Length;
        left.CopyTo(next.AsSpan(start));
        if (Block.Length > 0 && Block != _own) channel.PutFree(Block);
        Block = next;
        Start = start;
        End = LocalChannel.Headroom;
    }

    protected override bool IsReady() => channel.IsReady;
}

/// <summary>Fills blocks for the reader at the other end.</summary>
sealed class LocalPipeWriter(LocalChannel channel) : BlockPipeWriter
{
    protected override byte[] Take(out int start, out int end)
    {
        var block = channel.TakeFree();
        (start, end) = (LocalChannel.Headroom, block.Length);
        return block;
    }

    protected override int Send(byte[] block, int start, int count)
    {
        channel.PutFilled(block, count);
        return count;
    }

    protected override int SendThrough(byte[] block, int start, int count, ReadOnlySpan<byte> bytes)
    {
        channel.Offer(block, count, bytes);
        return count + bytes.Length;
    }

    protected override void Finish() => channel.CloseWriter();
}
