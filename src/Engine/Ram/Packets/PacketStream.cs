using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>The data of one packet after the other as a stream, for a decompressor that runs on through all of them; it ends where a packet ends.</summary>
sealed class PacketStream(WireReader reader) : Stream
{
    /// <summary>Bytes of the packet that are not read yet.</summary>
    public int Left { get; private set; }

    /// <summary>A packet begins, with so many bytes.</summary>
    public void Begin(int size) => Left = size;

    /// <summary>What of the packet can be seen without waiting for more than a byte; empty at its end.</summary>
    public ReadOnlySpan<byte> Seen
    {
        get
        {
            if (Left == 0) return default;
            var seen = reader.Peek(1);
            return seen[..Math.Min(seen.Length, Left)];
        }
    }

    /// <summary>So many bytes of what was seen are done with.</summary>
    public void Take(int count)
    {
        reader.Skip(count);
        Left -= count;
    }

    public override int Read(Span<byte> buffer)
    {
        if (Left == 0 || buffer.IsEmpty) return 0;
        var seen = Seen;
        var count = Math.Min(seen.Length, buffer.Length);
        seen[..count].CopyTo(buffer);
        Take(count);
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
