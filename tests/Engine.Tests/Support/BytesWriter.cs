using System.Buffers;
using System.IO.Pipelines;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>A pipe that keeps what is written, or forgets it.</summary>
sealed class BytesWriter(bool keep = true) : PipeWriter
{
    readonly ArrayBufferWriter<byte> _bytes = new();

    public byte[] Written => _bytes.WrittenSpan.ToArray();

    public void Clear() => _bytes.Clear();

    public override void Advance(int bytes)
    {
        if (keep) _bytes.Advance(bytes);
    }

    public override Memory<byte> GetMemory(int sizeHint = 0) => _bytes.GetMemory(Math.Max(sizeHint, 4096));

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => default;

    public override void CancelPendingFlush() => throw new NotSupportedException();

    public override void Complete(Exception? exception = null)
    {
    }
}
