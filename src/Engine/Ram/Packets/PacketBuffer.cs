using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Ram;

/// <summary>The data of one packet while it is made. Never larger than a receiver takes. One thread.</summary>
sealed class PacketBuffer : Stream
{
    // At a fixed address, for the library that writes into it.
    readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(MultifdPacket.MaxCompressed, pinned: true);
    int _length;

    /// <summary>What the packet has so far.</summary>
    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, _length);

    /// <summary>Where the next bytes go.</summary>
    public Span<byte> Free => _bytes.AsSpan(_length);

    /// <summary>Another packet begins.</summary>
    public void Clear() => _length = 0;

    /// <summary>So many bytes of <see cref="Free"/> were written.</summary>
    public void Advance(int count) => _length += count;

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        buffer.CopyTo(Free);
        _length += buffer.Length;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <summary>Copies pages behind what is there, as they are.</summary>
    public void WritePages(RamBlock block, ReadOnlySpan<long> offsets)
    {
        foreach (var offset in offsets) Write(block.Span(offset, GuestMemory.PageSize));
    }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => _length;

    public override long Position
    {
        get => _length;
        set => throw new NotSupportedException();
    }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
