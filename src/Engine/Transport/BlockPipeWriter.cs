using System.Diagnostics;
using System.IO.Pipelines;

namespace PsMigrate.Engine.Transport;

/// <summary>
/// A pipe writer over one block of memory, for one dedicated thread: the block leaves when it is full or flushed, and what has to
/// wait blocks. Memory is bounded by the block; nothing is allocated per write or flush.
/// </summary>
abstract class BlockPipeWriter : PipeWriter
{
    /// <summary>The most room that can be asked for in one piece, bytes.</summary>
    public const int MaxSizeHint = 64 << 10;

    int _start;
    int _filled;
    int _end;
    byte[] _block = [];
    long _sent;
    long _writing;
    // When the write began that is at it; 0 between them.
    long _writingSince;
    bool _isDone;

    /// <summary>Bytes handed to the link so far. Any thread may ask.</summary>
    public long BytesSent => Volatile.Read(ref _sent);

    /// <summary>How long writes have taken so far, the one that is at it too: copying, and waiting until the link takes more. Any thread may ask.</summary>
    public TimeSpan WriteTime
    {
        get
        {
            var since = Volatile.Read(ref _writingSince);
            return Stopwatch.GetElapsedTime(0, Volatile.Read(ref _writing) + (since == 0 ? 0 : Stopwatch.GetTimestamp() - since));
        }
    }

    public sealed override bool CanGetUnflushedBytes => true;

    public sealed override long UnflushedBytes => _filled - _start;

    public sealed override Memory<byte> GetMemory(int sizeHint = 0)
    {
        MakeRoom(sizeHint);
        return _block.AsMemory(_filled, _end - _filled);
    }

    public sealed override Span<byte> GetSpan(int sizeHint = 0)
    {
        MakeRoom(sizeHint);
        return _block.AsSpan(_filled, _end - _filled);
    }

    public sealed override void Advance(int bytes)
    {
        if ((uint)bytes > (uint)(_end - _filled)) throw new ArgumentOutOfRangeException(nameof(bytes), bytes, "More than there was room for.");
        _filled += bytes;
    }

    /// <summary>
    /// Sends what is buffered and then these bytes, straight from where they lie; they must stay there until it returns, and then
    /// nothing looks at them any more. For many at a time: every call is one to the system at least. Throws ConnectionLost.
    /// </summary>
    public void WriteThrough(ReadOnlySpan<byte> bytes)
    {
        ObjectDisposedException.ThrowIf(_isDone, this);
        BeginWrite();
        var given = SendThrough(_block, _start, _filled - _start, bytes);
        EndWrite();
        // A block that held nothing is still this object's.
        if (_filled > _start) DropBlock();
        Count(given);
    }

    /// <summary>
    /// Has little wait in the system from here on, where the link can do that: what is written next then overtakes nothing, but leaves soon.
    /// A link that is gone says so when it is written to.
    /// </summary>
    public virtual void LimitUnsent(int bytes)
    {
    }

    public sealed override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_isDone, this);
        Count(HandOver());
        return default;
    }

    /// <summary>Not supported: a blocked flush is ended by <see cref="IConnection.Abort"/>.</summary>
    public sealed override void CancelPendingFlush() =>
        throw new NotSupportedException("A write that blocks is ended by aborting the connection.");

    /// <summary>Sends what is buffered (unless there was an error), then tells the reader at the other end that no more will come.</summary>
    public sealed override void Complete(Exception? exception = null)
    {
        if (_isDone) return;
        _isDone = true;
        if (exception is null) Count(HandOver());
        Finish();
    }

    /// <summary>
    /// Sends the bytes of the block that <see cref="Take"/> gave, and returns how many of them it has not counted. Throws ConnectionLost.
    /// </summary>
    protected abstract int Send(byte[] block, int start, int count);

    /// <summary>
    /// Sends the bytes of the block, which may be none, and then others straight from where they lie. Returns how many of all it has not
    /// counted, and has let go of the bytes, also when it throws ConnectionLost.
    /// </summary>
    protected abstract int SendThrough(byte[] block, int start, int count, ReadOnlySpan<byte> bytes);

    /// <summary>An empty block, and the part of it to fill. May wait for one. Throws ConnectionLost.</summary>
    protected abstract byte[] Take(out int start, out int end);

    /// <summary>Tells the other end that no more will come.</summary>
    protected abstract void Finish();

    void MakeRoom(int sizeHint)
    {
        if (_end - _filled >= Math.Max(sizeHint, 1)) return;
        ObjectDisposedException.ThrowIf(_isDone, this);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sizeHint, MaxSizeHint);
        var given = HandOver();
        // Until there is room again, what was given is not counted: a reader that takes nothing must show as one.
        BeginWrite();
        _block = Take(out _start, out _end);
        EndWrite();
        _filled = _start;
        Count(given);
    }

    /// <summary>Gives the block away, and returns how many bytes of it are not counted yet.</summary>
    int HandOver()
    {
        var count = _filled - _start;
        if (count == 0) return 0;
        BeginWrite();
        var given = Send(_block, _start, count);
        EndWrite();
        DropBlock();
        return given;
    }

    // One that throws is the last.
    void BeginWrite() => Volatile.Write(ref _writingSince, Stopwatch.GetTimestamp());

    void EndWrite()
    {
        Volatile.Write(ref _writing, _writing + Stopwatch.GetTimestamp() - _writingSince);
        Volatile.Write(ref _writingSince, 0);
    }

    void DropBlock()
    {
        _block = [];
        _start = _filled = _end = 0;
    }

    /// <summary>Adds to <see cref="BytesSent"/>.</summary>
    protected void Count(long bytes) => Volatile.Write(ref _sent, _sent + bytes);
}
