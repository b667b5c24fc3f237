using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Text;

namespace PsMigrate.Engine.Protocol;

/// <summary>Writes big-endian integers, names and records to a pipe. One thread at a time.</summary>
sealed class WireWriter(PipeWriter pipe)
{
    /// <summary>Bytes written since the start, whether or not they have left.</summary>
    public long Position { get; private set; }

    public PipeWriter Pipe { get; } = pipe;

    public void Byte(byte value)
    {
        Pipe.GetSpan(1)[0] = value;
        Advance(1);
    }

    public void UInt16(ushort value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(Pipe.GetSpan(2), value);
        Advance(2);
    }

    public void UInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(Pipe.GetSpan(4), value);
        Advance(4);
    }

    public void UInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(Pipe.GetSpan(8), value);
        Advance(8);
    }

    /// <summary>An integer of 1, 2, 4 or 8 bytes.</summary>
    public void Integer(ulong value, int size)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        Bytes(bytes[(8 - size)..]);
    }

    public void Bytes(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var span = Pipe.GetSpan(1);
            var count = Math.Min(span.Length, bytes.Length);
            bytes[..count].CopyTo(span);
            Advance(count);
            bytes = bytes[count..];
        }
    }

    /// <summary>One byte of length, then the name in UTF-8.</summary>
    public void Name(string name)
    {
        var bytes = Encoding.UTF8.GetBytes(name);
        if (bytes.Length > StreamConstants.MaxName) throw new ArgumentException($"The name {name} is too long for the wire.", nameof(name));
        Byte((byte)bytes.Length);
        Bytes(bytes);
    }

    /// <summary>Counts bytes that were put straight into <see cref="Pipe"/>.</summary>
    public void Advance(int count)
    {
        Pipe.Advance(count);
        Position += count;
    }

    /// <summary>
    /// Counts bytes that go straight through <see cref="Pipe"/>. To be called before they are sent: while they wait for the link, it shows.
    /// </summary>
    public void Passes(int count) => Position += count;

    /// <summary>Goes on at another offset of the stream, of which everything was flushed; the pipe was moved there by the caller.</summary>
    public void MoveTo(long position) => Position = position;

    /// <summary>Sends what is buffered. Blocks the calling thread.</summary>
    public void Flush()
    {
        var flushed = Pipe.FlushAsync();
        if (!flushed.IsCompletedSuccessfully) flushed.AsTask().GetAwaiter().GetResult();
    }
}
