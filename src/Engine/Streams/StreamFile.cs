using System.Buffers.Binary;
using System.Text;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Streams;

/// <summary>
/// Reads big-endian integers and names from a file that can be searched, through one buffer, and knows where it is for error
/// messages. Positions are those in the file.
/// </summary>
sealed class StreamFile : IDisposable
{
    /// <summary>The most that <see cref="Peek"/> can be asked for.</summary>
    public const int MaxPeek = 1 << 20;

    const string NoPlainFile = "It is no file on a disk; pipes and devices have to be copied to one first.";

    readonly FileStream _file;
    readonly byte[] _buffer = new byte[MaxPeek];
    long _start;
    int _count;

    /// <summary>Opens a file at a position. Throws FileFailed.</summary>
    public StreamFile(string path, long offset = 0)
    {
        try
        {
            // Opening one would wait for whoever writes to it, and could not be broken off.
            if (FileCalls.Default.KindOf(path) == FileKind.Fifo) throw new IOException(NoPlainFile);
            // Whoever still writes it may go on; what is there now is read.
            _file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            if (!_file.CanSeek) throw new IOException(NoPlainFile);
            Length = _file.Length;
        }
        catch (Exception e) when (IsFileError(e) || e is ArgumentException)
        {
            _file?.Dispose();
            throw Failed(path, e);
        }
        Path = path;
        Position = Math.Min(offset, Length);
    }

    public string Path { get; }

    /// <summary>Bytes of the file when it was opened.</summary>
    public long Length { get; }

    /// <summary>The next byte to read.</summary>
    public long Position { get; private set; }

    /// <summary>What is being read, for messages.</summary>
    public string Where { get; set; } = "the header";

    public bool IsAtEnd => Position >= Length;

    /// <summary>So many bytes, not consumed. Throws UnexpectedEnd.</summary>
    public ReadOnlySpan<byte> Peek(int count)
    {
        var seen = PeekUpTo(count);
        return seen.Length == count ? seen
            : throw Error(MigrationErrorId.UnexpectedEnd, $"The file ends inside a field of length {count}.");
    }

    /// <summary>So many bytes or those that are left, not consumed.</summary>
    public ReadOnlySpan<byte> PeekUpTo(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, MaxPeek);
        count = (int)Math.Min(count, Length - Position);
        if (Position < _start || Position + count > _start + _count) Fill();
        var at = (int)(Position - _start);
        return _buffer.AsSpan(at, Math.Min(count, _count - at));
    }

    /// <summary>Goes past bytes without reading them. Throws UnexpectedEnd.</summary>
    public void Skip(long count)
    {
        if (count > Length - Position)
            throw Error(MigrationErrorId.UnexpectedEnd, $"The file ends inside a field of length {count}.");
        Position += count;
    }

    /// <summary>Goes on elsewhere. Throws UnexpectedEnd.</summary>
    public void Seek(long position)
    {
        if (position > Length)
            throw Error(MigrationErrorId.UnexpectedEnd, $"Byte {position} was to be read, and the file has {Length}.");
        Position = position;
    }

    public byte Byte()
    {
        var value = Peek(1)[0];
        Position++;
        return value;
    }

    public ushort UInt16()
    {
        var value = BinaryPrimitives.ReadUInt16BigEndian(Peek(2));
        Position += 2;
        return value;
    }

    public uint UInt32()
    {
        var value = BinaryPrimitives.ReadUInt32BigEndian(Peek(4));
        Position += 4;
        return value;
    }

    public ulong UInt64()
    {
        var value = BinaryPrimitives.ReadUInt64BigEndian(Peek(8));
        Position += 8;
        return value;
    }

    public byte[] Bytes(int count)
    {
        // Before any memory is asked for.
        if (count > Length - Position)
            throw Error(MigrationErrorId.UnexpectedEnd, $"The file ends inside a field of length {count}.");
        var bytes = new byte[count];
        for (var done = 0; done < count;)
        {
            var piece = Peek(Math.Min(count - done, MaxPeek));
            piece.CopyTo(bytes.AsSpan(done));
            done += piece.Length;
            Position += piece.Length;
        }
        return bytes;
    }

    /// <summary>One byte of length, then a name.</summary>
    public string Name() => Encoding.UTF8.GetString(Bytes(Byte()));

    /// <summary>A typed error about what was read: where, and inside of what.</summary>
    public MigrationException Error(MigrationErrorId id, string message) => ErrorAt(Position, id, message);

    public MigrationException ErrorAt(long position, MigrationErrorId id, string message) =>
        new(id, MigrationSide.Source, $"{message} (in {Where}, offset {position} of {System.IO.Path.GetFileName(Path)})")
        {
            StreamOffset = position,
        };

    public static MigrationException Failed(string path, Exception e) =>
        new(MigrationErrorId.FileFailed, MigrationSide.User, $"{Printable.Text(path, 255)}: {e.Message}", e);

    /// <summary>What opening, reading and writing can throw.</summary>
    public static bool IsFileError(Exception e) => e is IOException or UnauthorizedAccessException or NotSupportedException;

    public void Dispose() => _file.Dispose();

    void Fill()
    {
        (_start, _count) = (Position, 0);
        try
        {
            while (_count < _buffer.Length)
            {
                var read = RandomAccess.Read(_file.SafeFileHandle, _buffer.AsSpan(_count), _start + _count);
                if (read == 0) break;
                _count += read;
            }
        }
        catch (Exception e) when (IsFileError(e))
        {
            throw Failed(Path, e);
        }
    }
}
