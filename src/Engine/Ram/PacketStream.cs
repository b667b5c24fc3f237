using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>The data of one packet after the other as a stream, for a decompressor that runs on through all of them; it ends where a packet ends.</summary>
sealed class PacketStream(WireReader reader) : Stream
{
    /// <summary>Bytes of the packet that are not read yet.</summary>
    public int Left { get; private set; }

    /// <summary>A packet begins, with so many bytes.</summary>
    public void Begin(int size) => Left = size;

    public override int Read(Span<byte> buffer)
    {
        if (Left == 0 || buffer.IsEmpty) return 0;
        var seen = reader.Peek(1);
        var count = Math.Min(Math.Min(seen.Length, Left), buffer.Length);
        seen[..count].CopyTo(buffer);
        reader.Skip(count);
        Left -= count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
