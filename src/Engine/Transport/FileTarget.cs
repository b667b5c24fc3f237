using System.IO.Pipelines;
using Microsoft.Win32.SafeHandles;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>
/// A stream into a file that is there whole or not at all: it is written beside the path, and takes its name when it is complete and
/// on the disk. A device or a FIFO at the path is written directly. The file is its owner's alone (mode 0600).
/// </summary>
sealed class FileTarget : OneWayConnection
{
    readonly MigrationUri _uri;
    readonly string _path;
    readonly bool _overwrite;
    readonly IFileCalls _calls;
    readonly FileKind _kind;
    readonly Stream _stream;
    readonly StreamPipeWriter _output;
    string? _temporary;

    FileTarget(MigrationUri uri, string path, bool overwrite, FileKind kind, IFileCalls calls)
        : base(uri.ToString())
    {
        (_uri, _path, _overwrite, _kind, _calls) = (uri, path, overwrite, kind, calls);
        if (Directory.Exists(path)) throw new IOException("it is a folder.");
        if (!Directory.Exists(Path.GetDirectoryName(path))) throw new IOException($"there is no folder {Path.GetDirectoryName(path)}.");
        if (IsPlain && !overwrite && File.Exists(path)) throw Exists();
        _stream = Create();
        _output = new StreamPipeWriter(_stream, e => Failed("written", e), () => IsAborted);
    }

    public override PipeWriter Output => _output;

    public override long BytesSent => _output.BytesSent;

    /// <summary>The place in the file at which the stream begins.</summary>
    public long Start => _uri.Offset;

    /// <summary>Bytes of the file, holes too, once it is complete.</summary>
    public long Length { get; private set; }

    /// <summary>Whether it can be written out of order.</summary>
    public bool CanSeek => IsPlain;

    bool IsPlain => _kind == FileKind.Plain;

    // Only a FIFO has none.
    SafeFileHandle Handle => ((FileStream)_stream).SafeFileHandle;

    /// <summary>Begins a file. A link is followed. Throws FileFailed.</summary>
    /// <param name="uri">The file, and where in it the stream begins; what an old one has before that is kept.</param>
    /// <param name="overwrite">Whether it takes the place of an old file.</param>
    /// <param name="calls">Those of this operating system unless told otherwise.</param>
    public static FileTarget Create(MigrationUri uri, bool overwrite, IFileCalls? calls = null)
    {
        FileTarget? target = null;
        calls ??= FileCalls.Default;
        try
        {
            var path = Path.GetFullPath(uri.Path);
            var kind = calls.KindOf(path);
            // A link to what is open already, such as /dev/stdout, names no path.
            if (kind == FileKind.Plain && new FileInfo(path).LinkTarget is not null) path = File.ResolveLinkTarget(path, returnFinalTarget: true)!.FullName;
            target = new FileTarget(uri, path, overwrite, kind, calls);
            if (uri.Offset > 0) target.KeepBeginning(uri.Offset);
            return target;
        }
        catch (Exception e) when (OneWayErrors.IsFileError(e))
        {
            target?.Dispose();
            throw OneWayErrors.File(uri.Path, "written", e);
        }
    }

    /// <summary>Goes on at another place, which must not lie before the present one.</summary>
    public void MoveTo(long position) => _output.MoveTo(position);

    /// <summary>Cuts it off, or gives it a hole at its end. Throws FileFailed.</summary>
    public void SetLength(long length) => Try(() => _stream.SetLength(length));

    /// <summary>Reads what was written at a place of the file; behind its end is nothing. Throws FileFailed.</summary>
    public int ReadAt(Memory<byte> bytes, long position)
    {
        var count = 0;
        Try(() => count = RandomAccess.Read(Handle, bytes.Span, position));
        return count;
    }

    /// <summary>Writes at a place of the file, from any memory, and counts it. Throws FileFailed.</summary>
    public void WriteAt(ReadOnlySpan<byte> bytes, long position)
    {
        try
        {
            if (IsAborted) throw new IOException("it was broken off.");
            RandomAccess.Write(Handle, bytes, position);
            _output.CountWritten(bytes.Length);
        }
        catch (Exception e) when (e is ObjectDisposedException || OneWayErrors.IsFileError(e))
        {
            throw Failed("written", e);
        }
    }

    public override void Complete(TimeSpan timeout)
    {
        _output.Complete();
        Try(() =>
        {
            if (!IsPlain) return;
            Length = _stream.Length;
            RandomAccess.FlushToDisk(Handle);
            TakeName();
            _calls.FlushFolder(Path.GetDirectoryName(_path)!);
        });
    }

    public override void Dispose()
    {
        _stream.Dispose();
        if (_temporary is not { } temporary) return;
        try
        {
            File.Delete(temporary);
        }
        catch (Exception e) when (OneWayErrors.IsFileError(e))
        {
            // Somebody else has it open, or took the folder away; the name tells what it is.
        }
    }

    Stream Create()
    {
        if (_kind == FileKind.Fifo) return new FifoStream(_path, isWritten: true, () => IsAborted, _calls);
        if (!IsPlain) return new FileStream(_path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        if (_calls.CreateNameless(Path.GetDirectoryName(_path)!) is { } nameless)
            return new FileStream(nameless, FileAccess.ReadWrite, bufferSize: 0);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.Delete, BufferSize = 0 };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        _temporary = Temporary();
        return new FileStream(_temporary, options);
    }

    /// <summary>Until here it had no name, or one of its own.</summary>
    void TakeName()
    {
        if (_temporary is null)
        {
            var name = _overwrite ? Temporary() : _path;
            if (!_calls.TryName(Handle, name)) throw File.Exists(name) ? Exists() : new IOException("it can't be given a name.");
            if (!_overwrite) return;
            _temporary = name;
        }
        File.Move(_temporary, _path, _overwrite);
        _temporary = null;
    }

    void KeepBeginning(long offset)
    {
        if (IsPlain && File.Exists(_path))
        {
            using var old = new FileStream(_path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
            var block = new byte[1 << 20];
            for (var left = offset; left > 0;)
            {
                var count = old.Read(block, 0, (int)Math.Min(block.Length, left));
                if (count == 0) break;
                _stream.Write(block, 0, count);
                left -= count;
            }
        }
        _stream.Position = offset;
    }

    string Temporary() => Path.Combine(Path.GetDirectoryName(_path)!, $".{Path.GetFileName(_path)}.{Guid.NewGuid():N}.part");

    void Try(Action action)
    {
        try
        {
            if (IsAborted) throw new IOException("it was broken off.");
            action();
        }
        catch (Exception e) when (e is ObjectDisposedException || OneWayErrors.IsFileError(e))
        {
            throw Failed("written", e);
        }
    }

    MigrationException Failed(string what, Exception e) => IsAborted
        ? LinkErrors.ClosedHere(Peer, e)
        : OneWayErrors.File(_uri.Path, what, e);

    static IOException Exists() => new("there is a file of that name already.");
}
