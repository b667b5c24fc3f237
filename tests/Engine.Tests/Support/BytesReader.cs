using System.Buffers;
using System.IO.Pipelines;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>
/// Bytes as a pipe: one contiguous segment per read, as <c>IConnection</c> promises, and at most <paramref name="chunk"/> new
/// bytes each time, so that records can be made to straddle reads. At the end it completes, or waits for an abort.
/// </summary>
sealed class BytesReader(ReadOnlyMemory<byte> bytes, int chunk = int.MaxValue, bool isSilentAtEnd = false) : PipeReader
{
    readonly ManualResetEventSlim _aborted = new();
    int _consumed;
    int _examined;
    int _available;

    public void Abort() => _aborted.Set();

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        if (_aborted.IsSet) throw Lost();
        _available = (int)Math.Min(bytes.Length, Math.Max(_available, (long)_examined + chunk));
        var isEnd = _available == bytes.Length;
        if (isSilentAtEnd && isEnd && _examined == _available)
        {
            if (!_aborted.Wait(TimeSpan.FromSeconds(60), cancellationToken)) throw new TimeoutException("Nobody ended the wait.");
            throw Lost();
        }
        return new(new ReadResult(new ReadOnlySequence<byte>(bytes[_consumed.._available]), false, isEnd && !isSilentAtEnd));
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        var held = new ReadOnlySequence<byte>(bytes[_consumed.._available]);
        _examined = _consumed + (int)held.Slice(0, examined).Length;
        _consumed += (int)held.Slice(0, consumed).Length;
    }

    public override bool TryRead(out ReadResult result) => throw new NotSupportedException();

    public override void CancelPendingRead() => throw new NotSupportedException();

    public override void Complete(Exception? exception = null)
    {
    }

    static MigrationException Lost() => new(MigrationErrorId.ConnectionLost, MigrationSide.Link, "The link was cut.");
}
