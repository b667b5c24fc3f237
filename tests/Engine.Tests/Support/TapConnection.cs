using System.Buffers;
using System.IO.Pipelines;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>Sees what one end sends, flush by flush, before it leaves; whoever looks may cut the link at that moment.</summary>
delegate void Tap(IConnection link, ReadOnlySpan<byte> leaving);

/// <summary>A link with a tap on what goes out at this end.</summary>
sealed class TapConnection(IConnection inner, Tap tap) : IConnection
{
    readonly TapWriter _output = new(inner, tap);

    public PipeReader Input => inner.Input;

    public PipeWriter Output => _output;

    public long BytesSent => inner.BytesSent;

    public long BytesReceived => inner.BytesReceived;

    public string Peer => inner.Peer;

    public void Abort() => inner.Abort();

    public void EndInput() => inner.EndInput();

    public void Dispose() => inner.Dispose();

    sealed class TapWriter(IConnection inner, Tap tap) : PipeWriter
    {
        readonly ArrayBufferWriter<byte> _bytes = new();

        public override void Advance(int bytes) => _bytes.Advance(bytes);

        public override Memory<byte> GetMemory(int sizeHint = 0) => _bytes.GetMemory(Math.Max(sizeHint, 4096));

        public override Span<byte> GetSpan(int sizeHint = 0) => _bytes.GetSpan(Math.Max(sizeHint, 4096));

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        {
            tap(inner, _bytes.WrittenSpan);
            inner.Output.Write(_bytes.WrittenSpan);
            _bytes.ResetWrittenCount();
            return inner.Output.FlushAsync(cancellationToken);
        }

        public override void CancelPendingFlush() => inner.Output.CancelPendingFlush();

        public override void Complete(Exception? exception = null) => inner.Output.Complete(exception);
    }
}
