using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;

namespace PsMigrate.Engine.Model;

/// <summary>What there is at a path, behind all links.</summary>
enum FileKind
{
    /// <summary>Nothing, or a plain file.</summary>
    Plain,

    Fifo,

    /// <summary>A device, a folder, a socket.</summary>
    Other,
}

/// <summary>Small files that come from anywhere.</summary>
static unsafe partial class PlainFile
{
    const int CurrentDirectory = -100;
    const uint WantType = 1;
    const int TypeMask = 0xF000;
    const int TypePlain = 0x8000;
    const int TypeFifo = 0x1000;
    const int StatusSize = 256;
    const int ModeOffset = 28;

    /// <summary>
    /// The text of a file; null where it is larger than that many bytes, of which no more than one too many is read, whatever size it says it
    /// has. Throws IOException, also for what is no plain file: a FIFO would be waited for, and a device may have no end.
    /// </summary>
    public static string? ReadText(string path, int largest)
    {
        if (KindOf(path) != FileKind.Plain) throw new IOException("It is no plain file.");
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var bytes = new MemoryStream();
        var buffer = new byte[64 << 10];
        while (bytes.Length <= largest && file.Read(buffer, 0, (int)Math.Min(buffer.Length, largest + 1 - bytes.Length)) is > 0 and var read)
            bytes.Write(buffer, 0, read);
        if (bytes.Length > largest) return null;
        bytes.Position = 0;
        using var reader = new StreamReader(bytes, Encoding.UTF8);
        return reader.ReadToEnd();
    }

    public static FileKind KindOf(string path) => OperatingSystem.IsLinux() ? LinuxKindOf(path) : PortableKindOf(path);

    [SupportedOSPlatform("linux")]
    public static FileKind LinuxKindOf(string path)
    {
        var status = stackalloc byte[StatusSize];
        if (Status(CurrentDirectory, path, 0, WantType, status) != 0) return FileKind.Plain;
        return (*(ushort*)(status + ModeOffset) & TypeMask) switch
        {
            TypePlain => FileKind.Plain,
            TypeFifo => FileKind.Fifo,
            _ => FileKind.Other,
        };
    }

    /// <summary>For every other system. Where it can't be told, a FIFO is opened as any device, which waits for the other end.</summary>
    public static FileKind PortableKindOf(string path) =>
        Directory.Exists(path) || (File.Exists(path) && (File.GetAttributes(path) & FileAttributes.Device) != 0) ? FileKind.Other : FileKind.Plain;

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Status(int directory, string path, int flags, uint mask, byte* status);
}
