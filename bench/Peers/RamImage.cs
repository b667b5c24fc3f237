using System.Globalization;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Peers;

/// <summary>The RAM of a guest in a file on tmpfs, for a QEMU to take as its own. It has no name, so that it is gone with this process.</summary>
sealed class RamImage : IDisposable
{
    const int Block = 1 << 20;

    readonly FileStream _file;

    public RamImage(GuestMemory memory)
    {
        Memory = memory;
        var path = SavedMemory.TemporaryPath();
        _file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        File.Delete(path);
        for (long at = 0; at < memory.Length; at += Block) _file.Write(memory.Ram.Span(at, Block));
    }

    /// <summary>Where other processes find it.</summary>
    public string Path => string.Create(CultureInfo.InvariantCulture, $"/proc/{Environment.ProcessId}/fd/{_file.SafeFileHandle.DangerousGetHandle()}");

    /// <summary>What is in it.</summary>
    public GuestMemory Memory { get; }

    public void Dispose() => _file.Dispose();
}
