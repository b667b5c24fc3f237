using System.IO.Hashing;

namespace PsMigrate.Bench.Peers;

/// <summary>Random bytes in a file on tmpfs, for a QEMU to take as its RAM.</summary>
sealed class RamImage : IDisposable
{
    const int Block = 1 << 20;
    readonly string _hash;

    public RamImage(long bytes)
    {
        Path = System.IO.Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : System.IO.Path.GetTempPath(), $"bench-ram-{Environment.ProcessId}");
        var random = new Random(1);
        var block = new byte[Block];
        using (var file = File.Create(Path, Block))
            for (var left = bytes; left > 0; left -= Block)
            {
                random.NextBytes(block);
                file.Write(block);
            }
        _hash = Hash(Path);
    }

    public string Path { get; }

    /// <summary>Has a memory saved to a file and compares. Throws when it differs.</summary>
    public void CheckSame(Action<string> save)
    {
        var copy = Path + "-arrived";
        try
        {
            save(copy);
            if (Hash(copy) != _hash) throw new BenchException("QEMU's destination has other memory than its source.");
        }
        finally
        {
            File.Delete(copy);
        }
    }

    public void Dispose() => File.Delete(Path);

    static string Hash(string path)
    {
        var hash = new XxHash128();
        using var file = File.OpenRead(path);
        hash.Append(file);
        return Convert.ToHexString(hash.GetHashAndReset());
    }
}
