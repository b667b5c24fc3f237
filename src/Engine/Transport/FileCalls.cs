using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace PsMigrate.Engine.Transport;

/// <summary>The calls to the operating system that lasting files need and the framework does not give.</summary>
interface IFileCalls
{
    /// <summary>Whether there is something at the path that is no plain file: a device, a FIFO.</summary>
    bool IsSpecial(string path);

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
    const uint WantType = 1;
    const int TypeMask = 0xF000;
    const int TypePlain = 0x8000;
    const int StatusSize = 256;
    const int ModeOffset = 28;
    const int CloseOnExec = 0x80000;
    const int ReadWrite = 2;
    const int FollowLink = 0x400;
    const int OwnerOnly = 0x180;

    // O_DIRECTORY differs between the processors, and O_TMPFILE holds it.
    static readonly int Folder = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? 0x4000 : 0x10000;
    static readonly int Nameless = 0x400000 | Folder;

    public bool IsSpecial(string path)
    {
        var status = stackalloc byte[StatusSize];
        return Status(CurrentDirectory, path, 0, WantType, status) == 0 && (*(ushort*)(status + ModeOffset) & TypeMask) != TypePlain;
    }

    public SafeFileHandle? CreateNameless(string folder)
    {
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

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Status(int directory, string path, int flags, uint mask, byte* status);

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "linkat", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(int fromDirectory, string from, int toDirectory, string to, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int Flush(int file);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);
}

/// <summary>The twin for every other system.</summary>
sealed class PortableFileCalls : IFileCalls
{
    public bool IsSpecial(string path) => File.Exists(path) && (File.GetAttributes(path) & FileAttributes.Device) != 0;

    public SafeFileHandle? CreateNameless(string folder) => null;

    public bool TryName(SafeFileHandle file, string path) => false;

    public void FlushFolder(string folder)
    {
        // The framework has no such call; the file itself was flushed.
    }
}
