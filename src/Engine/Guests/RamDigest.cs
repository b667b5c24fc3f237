using System.Buffers.Binary;
using System.IO.Hashing;

namespace PsMigrate.Engine.Guests;

/// <summary>
/// A digest of RAM that depends on its content alone: XxHash128 over the index and hash of each chunk of 256 KiB that is
/// not all zero. It finds faults of copying; it is no protection against somebody who wants two memories to look alike.
/// </summary>
static class RamDigest
{
    /// <summary>Bytes.</summary>
    public const int Size = 16;

    const int ChunkSize = RamBlock.PagesPerChunk * GuestMemory.PageSize;
    const int HashSize = Size;

    // Chunks whose hashes are kept at a time, 1 GiB: the room for them does not grow with the guest.
    const int Window = 4096;

    static int _isWarm;

    /// <summary>32 hexadecimal digits. The memory must not change meanwhile. Uses up to two threads.</summary>
    public static string Compute(GuestMemory memory)
    {
        var total = new XxHash128();
        Span<byte> length = stackalloc byte[8];
        foreach (var block in memory.Blocks)
        {
            BinaryPrimitives.WriteInt64BigEndian(length, block.Length);
            total.Append(length);
            AppendBlock(total, block);
        }
        return Convert.ToHexStringLower(total.GetHashAndReset());
    }

    /// <summary>
    /// Has the hash compiled well before a guest stands still for it: the first digest of a process is else several times slower.
    /// Returns at once.
    /// </summary>
    public static void WarmUp()
    {
        if (Interlocked.Exchange(ref _isWarm, 1) != 0) return;
        Task.Run(static () =>
        {
            // More calls than the runtime needs to take a method for a busy one, and for its loops as well.
            var bytes = new byte[ChunkSize];
            var hash = new byte[HashSize];
            for (var round = 0; round < 64; round++)
            {
                bytes[^1] = (byte)round;
                _ = bytes.AsSpan(0, bytes.Length - 1).ContainsAnyExcept((byte)0);
                XxHash128.Hash(bytes, hash);
            }
        });
    }

    static void AppendBlock(XxHash128 total, RamBlock block)
    {
        var chunks = (int)((block.Length + ChunkSize - 1) / ChunkSize);
        var hashes = new byte[Math.Min(chunks, Window) * HashSize];
        var isZero = new bool[Math.Min(chunks, Window)];
        // What was never written is passed by without a look.
        for (var first = block.UntouchedChunks(0, chunks); first < chunks;)
        {
            var count = Math.Min(Window, chunks - first);
            HashChunks(block, first, count, hashes, isZero);
            AppendHashes(total, first, hashes, isZero.AsSpan(0, count));
            first += count;
            first += block.UntouchedChunks(first, chunks - first);
        }
    }

    static void HashChunks(RamBlock block, int first, int count, byte[] hashes, bool[] isZero) =>
        Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = Math.Min(2, Environment.ProcessorCount) }, i =>
        {
            var offset = (long)(first + i) * ChunkSize;
            var bytes = block.Span(offset, (int)Math.Min(ChunkSize, block.Length - offset));
            isZero[i] = !block.IsTouched(first + i) || !bytes.ContainsAnyExcept((byte)0);
            if (!isZero[i]) XxHash128.Hash(bytes, hashes.AsSpan(i * HashSize, HashSize));
        });

    static void AppendHashes(XxHash128 total, int first, byte[] hashes, ReadOnlySpan<bool> isZero)
    {
        Span<byte> index = stackalloc byte[8];
        for (var i = 0; i < isZero.Length; i++)
        {
            if (isZero[i]) continue;
            BinaryPrimitives.WriteInt64BigEndian(index, first + i);
            total.Append(index);
            total.Append(hashes.AsSpan(i * HashSize, HashSize));
        }
    }
}
