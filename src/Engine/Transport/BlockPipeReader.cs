using System.Buffers;
using System.IO.Pipelines;

namespace PsMigrate.Engine.Transport;

/// <summary>
/// A pipe reader over one block of memory, for one dedicated thread: a read that has to wait blocks, and returns a task that is
/// complete. What it returns is always a single segment. Nothing is allocated per read.
/// </summary>
abstract class BlockPipeReader : PipeReader
{
    /// <summary>The most a consumer may leave unconsumed when it asks for more, bytes.</summary>
    public const int MaxUnconsumed = 64 << 10;

    bool _isExamined = true;
    long _received;
    bool _isEnd;
    bool _isDone;

    /// <summary>Bytes taken from the link so far. Any thread may ask.</summary>
    public long BytesReceived => Volatile.Read(ref _received);

    /// <summary>Whether something was received that is not consumed: it can't be read past.</summary>
    public bool HasUnread => Start != End;

    /// <summary>Whether a read would wait, where all that was received is consumed.</summary>
    public bool IsWaiting => !HasUnread && !_isEnd && !IsReady();

    /// <summary>Whether it is known at any time if more has come.</summary>
    public virtual bool CanTell => false;

    /// <summary>The block that holds what was received and is not consumed.</summary>
    protected byte[] Block { get; set; } = [];

    /// <summary>Index of the first byte that is not consumed.</summary>
    protected int Start { get; set; }

    /// <summary>Index behind the last byte received.</summary>
    protected int End { get; set; }

    public sealed override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_isDone, this);
        if (_isExamined && !_isEnd) Fill();
        return new(Result());
    }

    public sealed override bool TryRead(out ReadResult result)
    {
        ObjectDisposedException.ThrowIf(_isDone, this);
        if (_isExamined && !_isEnd)
        {
            if (!IsReady())
            {
                result = default;
                return false;
            }
            Fill();
        }
        result = Result();
        return true;
    }

    public sealed override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public sealed override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        var (first, last) = (consumed.GetInteger(), examined.GetInteger());
        if (consumed.GetObject() != Block || examined.GetObject() != Block || first < Start || last < first || last > End)
            throw new InvalidOperationException("The position is not within what the last read returned.");
        Start = first;
        _isExamined = last == End;
    }

    /// <summary>
    /// Waits for bytes and receives them straight into memory of the caller's, as many as there are; 0 when the other end has closed.
    /// Everything that was received before must be consumed. Throws ConnectionLost.
    /// </summary>
    public int ReadThrough(Span<byte> to)
    {
        ObjectDisposedException.ThrowIf(_isDone, this);
        if (HasUnread) throw new InvalidOperationException("What was received before is not consumed.");
        if (_isEnd) return 0;
        var count = ReceiveThrough(to);
        // A block may have come with more than there was room for.
        (_isExamined, _isEnd) = (Start == End, count == 0);
        Volatile.Write(ref _received, _received + count + (End - Start));
        return count;
    }

    /// <summary>
    /// Throws ConnectionLost if the link was cut at this end, which a reader else finds out only when it needs more than it has: what was
    /// received may be long to work through.
    /// </summary>
    public abstract void ThrowIfCut();

    /// <summary>Other threads of this migration want the processors: from now on no time is spent on looking for what may come.</summary>
    public virtual void WaitAsleep()
    {
    }

    /// <summary>Not supported: a blocked read is ended by <see cref="IConnection.Abort"/>.</summary>
    public sealed override void CancelPendingRead() =>
        throw new NotSupportedException("A read that blocks is ended by aborting the connection.");

    public sealed override void Complete(Exception? exception = null) => _isDone = true;

    /// <summary>
    /// Waits for bytes, puts what is unconsumed and what has come into one piece of <see cref="Block"/>, sets <see cref="Start"/> and
    /// <see cref="End"/>, and returns how many bytes came: 0 when the other end has closed. Throws ConnectionLost.
    /// </summary>
    protected abstract int Receive();

    /// <summary>
    /// Waits for bytes and puts them there; nothing is unconsumed. Where more have come than fit, they are in <see cref="Block"/>. Returns
    /// how many fitted: 0 when the other end has closed. Throws ConnectionLost.
    /// </summary>
    protected abstract int ReceiveThrough(Span<byte> to);

    /// <summary>
    /// Makes room behind what is unconsumed, in a block of at least that size. The remainder is small and moved once, for it stays at the
    /// front; the part of the block that is in use stays in the cache.
    /// </summary>
    protected void MoveToFront(int blockSize)
    {
        var block = Block.Length < blockSize ? GC.AllocateUninitializedArray<byte>(blockSize, pinned: true) : Block;
        if (Start > 0 || block != Block) Block.AsSpan(Start, End - Start).CopyTo(block);
        Block = block;
        End -= Start;
        Start = 0;
    }

    /// <summary>Throws away what was received and is not consumed, and forgets an end that was seen: the source stands elsewhere now.</summary>
    protected void Restart()
    {
        Start = End;
        (_isExamined, _isEnd) = (true, false);
    }

    /// <summary>Whether <see cref="Receive"/> would return at once.</summary>
    protected abstract bool IsReady();

    void Fill()
    {
        if (End - Start > MaxUnconsumed)
            throw new InvalidOperationException($"More than {MaxUnconsumed} bytes were examined and not consumed.");
        var count = Receive();
        _isExamined = false;
        _isEnd = count == 0;
        Volatile.Write(ref _received, _received + count);
    }

    ReadResult Result() => new(new ReadOnlySequence<byte>(Block, Start, End - Start), isCanceled: false, isCompleted: _isEnd);
}
