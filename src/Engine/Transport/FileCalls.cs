using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Transport;

/// <summary>The calls to the operating system that files need and the framework does not give.</summary>
interface IFileCalls
{
    FileKind KindOf(string path);

    /// <summary>Opens a FIFO without waiting for anybody; null while nobody reads what is to be written. Throws IOException.</summary>
    SafeFileHandle? OpenFifo(string path, bool isWritten);

    /// <summary>Waits until a pipe has bytes or its end, or room. False when the time is over.</summary>
    bool WaitReady(SafeHandle pipe, bool isWritten, TimeSpan timeout);

    /// <summary>A new file in the folder that has no name, so that it is gone with this process; null where there are none.</summary>
    SafeFileHandle? CreateNameless(string folder);

    /// <summary>Gives it a name that is free. False when it is not, or can't be.</summary>
    bool TryName(SafeFileHandle file, string path);

    /// <summary>Makes the names in a folder last, as far as the file system can.</summary>
    void FlushFolder(string folder);
}

static class FileCalls
{
    /// <summary>The one for this operating system.</summary>
    public static IFileCalls Default { get; } = OperatingSystem.IsLinux() ? new LinuxFileCalls() : new PortableFileCalls();
}

[SupportedOSPlatform("linux")]
sealed unsafe partial class LinuxFileCalls : IFileCalls
{
    const int CurrentDirectory = -100;
    const int CloseOnExec = 0x80000;
    const int WriteOnly = 1;
    const int ReadWrite = 2;
    const int NonBlocking = 0x800;
    const int NobodyThere = 6;
    const short CanRead = 1;
    const short CanWrite = 4;
    const int FollowLink = 0x400;
    const int OwnerOnly = 0x180;

    // O_DIRECTORY differs between the processors, and O_TMPFILE holds it.
    static readonly int Folder = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? 0x4000 : 0x10000;
    static readonly int Nameless = 0x400000 | Folder;

    public FileKind KindOf(string path) => PlainFile.LinuxKindOf(path);

    public SafeFileHandle? OpenFifo(string path, bool isWritten)
    {
        var file = Open(path, NonBlocking | CloseOnExec | (isWritten ? WriteOnly : 0), 0);
        if (file >= 0) return new SafeFileHandle(file, ownsHandle: true);
        var error = Marshal.GetLastPInvokeError();
        return error == NobodyThere ? null : throw new IOException(Marshal.GetPInvokeErrorMessage(error));
    }

    public bool WaitReady(SafeHandle pipe, bool isWritten, TimeSpan timeout)
    {
        var wanted = new Waiting { File = (int)pipe.DangerousGetHandle(), Events = isWritten ? CanWrite : CanRead };
        // The end of the other side, or an error, is for the next call to tell.
        return Poll(&wanted, 1, (int)timeout.TotalMilliseconds) > 0;
    }

    public SafeFileHandle? CreateNameless(string folder)
    {
        // Without it there is no way to a name.
        if (!Directory.Exists("/proc/self/fd")) return null;
        var file = Open(folder, Nameless | ReadWrite | CloseOnExec, OwnerOnly);
        return file < 0 ? null : new SafeFileHandle(file, ownsHandle: true);
    }

    public bool TryName(SafeFileHandle file, string path) =>
        Link(CurrentDirectory, $"/proc/self/fd/{file.DangerousGetHandle()}", CurrentDirectory, path, FollowLink) == 0;

    public void FlushFolder(string folder)
    {
        var handle = Open(folder, Folder | CloseOnExec, 0);
        if (handle < 0) return;
        _ = Flush(handle);
        _ = Close(handle);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "linkat", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(int fromDirectory, string from, int toDirectory, string to, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int Flush(int file);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll(Waiting* files, nuint count, int milliseconds);

    // struct pollfd.
    struct Waiting
    {
        public int File;
        public short Events;
        public short Happened;
    }
}

/// <summary>The twin for every other system.</summary>
sealed class PortableFileCalls : IFileCalls
{
    public FileKind KindOf(string path) => PlainFile.PortableKindOf(path);

    public SafeFileHandle? OpenFifo(string path, bool isWritten) => throw new NotSupportedException();

    public bool WaitReady(SafeHandle pipe, bool isWritten, TimeSpan timeout) => true;

    public SafeFileHandle? CreateNameless(string folder) => null;

    public bool TryName(SafeFileHandle file, string path) => false;

    public void FlushFolder(string folder)
    {
        // The framework has no such call; the file itself was flushed.
    }
}
