using PsMigrate.Engine.Guests;

namespace PsMigrate.Bench.Peers;

/// <summary>The RAM of a QEMU, to be looked at: where it lies in its process, or else a copy that it has saved to a file.</summary>
sealed class SavedMemory : IDisposable
{
    const int Block = 1 << 20;
    static int _count;

    readonly FileStream _file;
    readonly long _start;

    SavedMemory(FileStream file, long start) => (_file, _start) = (file, start);

    public static SavedMemory Of(Qemu qemu, long address, long length)
    {
        try
        {
            if (qemu.AddressOf(address) is { } there) return new SavedMemory(Open($"/proc/{qemu.ProcessId}/mem"), there);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Not on this system, or not for this user.
        }
        var path = TemporaryPath();
        qemu.Save(address, length, path);
        var file = Open(path);
        File.Delete(path);
        return new SavedMemory(file, 0);
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
        while (bytes.Length > 0)
        {
            var count = RandomAccess.Read(_file.SafeFileHandle, bytes, _start + at);
            if (count == 0) throw new BenchException("QEMU's memory ends early.");
            bytes = bytes[count..];
            at += count;
        }
    }

    public void Dispose() => _file.Dispose();

    static FileStream Open(string path) => new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
}
