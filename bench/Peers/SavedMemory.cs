using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Peers;

/// <summary>RAM that a QEMU has saved to a file, to be looked at.</summary>
sealed class SavedMemory : IDisposable
{
    const int Block = 1 << 20;
    static int _count;

    readonly FileStream _file;

    SavedMemory(string path) => _file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, Block, FileOptions.DeleteOnClose);

    public static SavedMemory Of(Qemu qemu, long address, long length)
    {
        var path = TemporaryPath();
        qemu.Save(address, length, path);
        return new SavedMemory(path);
    }

    /// <summary>A file that does not exist, on tmpfs where there is one.</summary>
    public static string TemporaryPath() => Path.Combine(
        Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"bench-ram-{Environment.ProcessId}-{Interlocked.Increment(ref _count)}");

    /// <summary>Throws unless a QEMU's RAM is this guest's; null is RAM full of zeros.</summary>
    public static void CheckSame(Qemu qemu, long bytes, GuestMemory? memory)
    {
        using var saved = Of(qemu, 0, bytes);
        var block = new byte[Block];
        for (long at = 0; at < bytes; at += Block)
        {
            saved.Read(block, at);
            if (memory is null ? block.AsSpan().ContainsAnyExcept((byte)0) : !memory.Ram.Span(at, Block).SequenceEqual(block))
                throw new BenchException($"QEMU's destination has other memory than its source, from byte {at} on.");
        }
    }

    public void Read(Span<byte> bytes, long at)
    {
        if (_file.Position != at) _file.Position = at;
        _file.ReadExactly(bytes);
    }

    public void Dispose() => _file.Dispose();
}
