using System.IO.Pipelines;
using Microsoft.Win32.SafeHandles;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>A stream out of a file. One in which each page has its place can be read at any of them.</summary>
sealed class FileOrigin : OneWayConnection
{
    readonly MigrationUri _uri;
    readonly Stream _stream;
    readonly StreamPipeReader _input;
    long _readAside;

    FileOrigin(MigrationUri uri)
        : base(uri.ToString())
    {
        _uri = uri;
        _stream = FileCalls.Default.KindOf(uri.Path) == FileKind.Fifo
            ? new FifoStream(uri.Path, isWritten: false, () => IsAborted, FileCalls.Default)
            : new FileStream(uri.Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        _input = new StreamPipeReader(_stream, Failed, () => IsAborted);
    }

    public override PipeReader Input => _input;

    public override long BytesReceived => _input.BytesReceived + Volatile.Read(ref _readAside);

    /// <summary>The place in the file at which the stream begins.</summary>
    public long Start => _uri.Offset;

    /// <summary>Bytes of the file; 0 where it has no such thing.</summary>
    public long Length => _stream.CanSeek ? _stream.Length : 0;

    /// <summary>The file, for reading at a place of one's own; null for a FIFO.</summary>
    public SafeFileHandle? Handle => _stream is FileStream { CanSeek: true } file ? file.SafeFileHandle : null;

    /// <summary>Opens a file. Throws FileFailed.</summary>
    public static FileOrigin Open(MigrationUri uri)
    {
        FileOrigin? origin = null;
        try
        {
            origin = new FileOrigin(uri);
            if (uri.Offset > 0) origin._stream.Position = uri.Offset;
            return origin;
        }
        catch (Exception e) when (OneWayErrors.IsFileError(e))
        {
            origin?.Dispose();
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
            var file = Handle ?? throw new ObjectDisposedException(nameof(FileOrigin));
            while (done < bytes.Length)
            {
                var count = RandomAccess.Read(file, bytes[done..], position + done);
                if (count == 0) break;
                done += count;
            }
        }
        catch (Exception e) when (e is ObjectDisposedException || OneWayErrors.IsFileError(e))
        {
            throw Failed(e);
        }
        Volatile.Write(ref _readAside, _readAside + done);
        return done;
    }

    public override void Complete(TimeSpan timeout)
    {
        // All that was needed has been read.
    }

    public override void Dispose() => _stream.Dispose();

    MigrationException Failed(Exception e) => IsAborted ? LinkErrors.ClosedHere(Peer, e) : OneWayErrors.File(_uri.Path, "read", e);
}
