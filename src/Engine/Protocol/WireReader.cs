using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Text;
using System.Text.Unicode;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Protocol;

/// <summary>
/// Reads big-endian integers, names and records from a pipe, and knows the offset for error messages. One thread, which
/// blocks. What it is asked to hold at once is bounded by <see cref="MaxPeek"/>, whatever the sender announces.
/// </summary>
sealed class WireReader(PipeReader pipe, MigrationSide sender)
{
    /// <summary>The most that <see cref="Peek"/> can be asked for.</summary>
    public const int MaxPeek = 64 << 10;

    byte[]? _joined;
    ReadOnlySequence<byte> _buffer;
    bool _isHeld;
    bool _isEnd;

    /// <summary>Bytes consumed since the start.</summary>
    public long Position { get; private set; }

    /// <summary>At least <paramref name="count"/> bytes, not consumed. Throws UnexpectedEnd.</summary>
    public ReadOnlySpan<byte> Peek(int count)
    {
        if (_isHeld && _buffer.FirstSpan.Length >= count) return _buffer.FirstSpan;
        if (!TryFill(count)) throw Error(MigrationErrorId.UnexpectedEnd, $"The stream ends where {count} more bytes were expected.");
        if (_buffer.FirstSpan.Length >= count) return _buffer.FirstSpan;
        // Our own pipes give one piece; any other may be in several.
        _joined ??= new byte[MaxPeek];
        _buffer.Slice(0, count).CopyTo(_joined);
        return _joined.AsSpan(0, count);
    }

    /// <summary>Consumes bytes that were seen.</summary>
    public void Skip(int count)
    {
        _buffer = _buffer.Slice(count);
        Position += count;
    }

    /// <summary>Where the bytes come from. Whoever reads from it says so with <see cref="Passed"/>, once nothing is held any more.</summary>
    public PipeReader Pipe => pipe;

    /// <summary>
    /// Consumes what was read ahead, as much as there is room for, and returns how much; never waits. With room left nothing is held
    /// any more, and the pipe may be read past this object.
    /// </summary>
    public int TakeHeld(Span<byte> to)
    {
        if (!_isHeld) return 0;
        var count = (int)Math.Min(_buffer.Length, to.Length);
        _buffer.Slice(0, count).CopyTo(to);
        Skip(count);
        if (_buffer.IsEmpty)
        {
            pipe.AdvanceTo(_buffer.End);
            (_buffer, _isHeld) = (default, false);
        }
        return count;
    }

    /// <summary>Counts bytes that were taken straight from <see cref="Pipe"/>.</summary>
    public void Passed(int count) => Position += count;

    /// <summary>Whether the other end has closed and everything was consumed. Blocks until that is known.</summary>
    public bool IsAtEnd() => !TryFill(1);

    /// <summary>Goes on at another offset of the stream. What was read ahead is dropped, then <paramref name="move"/> moves the pipe.</summary>
    public void MoveTo(long position, Action move)
    {
        if (_isHeld) pipe.AdvanceTo(_buffer.End);
        (_buffer, _isHeld, _isEnd) = (default, false, false);
        move();
        Position = position;
    }

    public byte Byte()
    {
        var value = Peek(1)[0];
        Skip(1);
        return value;
    }

    public ushort UInt16()
    {
        var value = BinaryPrimitives.ReadUInt16BigEndian(Peek(2));
        Skip(2);
        return value;
    }

    public uint UInt32()
    {
        var value = BinaryPrimitives.ReadUInt32BigEndian(Peek(4));
        Skip(4);
        return value;
    }

    public ulong UInt64()
    {
        var value = BinaryPrimitives.ReadUInt64BigEndian(Peek(8));
        Skip(8);
        return value;
    }

    /// <summary>An integer of 1, 2, 4 or 8 bytes.</summary>
    public ulong Integer(int size)
    {
        ulong value = 0;
        foreach (var one in Peek(size)[..size]) value = (value << 8) | one;
        Skip(size);
        return value;
    }

    public byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        Bytes(bytes);
        return bytes;
    }

    public void Bytes(Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            var seen = Peek(1);
            var count = Math.Min(seen.Length, destination.Length);
            seen[..count].CopyTo(destination);
            Skip(count);
            destination = destination[count..];
        }
    }

    /// <summary>One byte of length, then a name. Throws InvalidValue for what is no UTF-8: it could not be sent on as it came.</summary>
    public string Name() => Text(Byte());

    /// <summary>So many bytes of UTF-8. Throws InvalidValue.</summary>
    public string Text(int length)
    {
        var bytes = Peek(length)[..length];
        if (!Utf8.IsValid(bytes)) throw Error(MigrationErrorId.InvalidValue, "A name is no UTF-8.");
        var text = Encoding.UTF8.GetString(bytes);
        Skip(length);
        return text;
    }

    /// <summary>A typed error about what was read, with the offset.</summary>
    public MigrationException Error(MigrationErrorId id, string message) =>
        new(id, sender, $"{message} (offset {Position} of the stream)") { StreamOffset = Position };

    bool TryFill(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, MaxPeek);
        while (!_isHeld || _buffer.Length < count)
        {
            if (_isHeld)
            {
                if (_isEnd) return false;
                // What was not consumed stays; all of it has been looked at, so the next read brings more.
                pipe.AdvanceTo(_buffer.Start, _buffer.End);
            }
            var read = pipe.ReadAsync();
            var result = read.IsCompletedSuccessfully ? read.Result : read.AsTask().GetAwaiter().GetResult();
            _buffer = result.Buffer;
            _isEnd = result.IsCompleted;
            _isHeld = true;
        }
        return true;
    }
}
