using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Peers;

/// <summary>The RAM of a guest in a file on tmpfs, for a QEMU to take as its own.</summary>
sealed class RamImage : IDisposable
{
    const int Block = 1 << 20;

    public RamImage(GuestMemory memory)
    {
        Memory = memory;
        using var file = new FileStream(Path, FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0);
        for (long at = 0; at < memory.Length; at += Block) file.Write(memory.Ram.Span(at, Block));
    }

    public string Path { get; } = SavedMemory.TemporaryPath();

    /// <summary>What is in it.</summary>
    public GuestMemory Memory { get; }

    public void Dispose() => File.Delete(Path);
}
