using System.IO.Pipelines;
using Microsoft.Win32.SafeHandles;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>A stream out of a file. One in which each page has its place can be read at any of them.</summary>
sealed class FileOrigin : OneWayConnection
{
    readonly FileStream _stream;
    readonly StreamPipeReader _input;
    long _readAside;

    FileOrigin(MigrationUri uri, FileStream stream)
        : base(uri.ToString())
    {
        _stream = stream;
        Start = uri.Offset;
        _input = new StreamPipeReader(stream, e => IsAborted ? LinkErrors.ClosedHere(Peer, e) : OneWayErrors.File(uri.Path, "read", e), () => IsAborted);
    }

    public override PipeReader Input => _input;

    public override long BytesReceived => _input.BytesReceived + Volatile.Read(ref _readAside);

    /// <summary>The place in the file at which the stream begins.</summary>
    public long Start { get; }

    /// <summary>Bytes of the file; 0 where it has no such thing.</summary>
    public long Length => _stream.CanSeek ? _stream.Length : 0;

    /// <summary>The file, for reading at a place of one's own; null for a FIFO.</summary>
    public SafeFileHandle? Handle => _stream.CanSeek ? _stream.SafeFileHandle : null;

    /// <summary>Opens a file. Throws FileFailed.</summary>
    public static FileOrigin Open(MigrationUri uri)
    {
        FileStream? stream = null;
        try
        {
            stream = new FileStream(uri.Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            if (uri.Offset > 0) stream.Position = uri.Offset;
            return new FileOrigin(uri, stream);
        }
        catch (Exception e) when (OneWayErrors.IsFileError(e))
        {
            stream?.Dispose();
            throw OneWayErrors.File(uri.Path, "read", e);
        }
    }

    /// <summary>Goes on at another place of the file.</summary>
    public void MoveTo(long position) => _input.MoveTo(position);

    /// <summary>Reads what lies at a place of the file, and counts it. Fewer bytes than asked for only at its end. Throws FileFailed.</summary>
    public int ReadAt(Span<byte> bytes, long position)
    {
        var done = 0;
        try
        {
            if (IsAborted) throw new IOException("it was broken off.");
            while (done < bytes.Length)
            {
                var count = RandomAccess.Read(_stream.SafeFileHandle, bytes[done..], position + done);
                if (count == 0) break;
                done += count;
            }
        }
        catch (Exception e) when (e is ObjectDisposedException || OneWayErrors.IsFileError(e))
        {
            throw IsAborted ? LinkErrors.ClosedHere(Peer, e) : OneWayErrors.File(_stream.Name, "read", e);
        }
        Volatile.Write(ref _readAside, _readAside + done);
        return done;
    }

    public override void Complete(TimeSpan timeout)
    {
        // All that was needed has been read.
    }

    public override void Dispose() => _stream.Dispose();
}
