using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Measuring;

/// <summary>
/// What a migration would find in memory, by a sample that is spread over all that was ever written: of as many parts as there are pages
/// in the sample, one of each. The same memory gives the same sample. The guest may write meanwhile.
/// </summary>
/// <param name="UsedBytes">Of the parts of 256 KiB in which something was ever written.</param>
/// <param name="ZeroShare">Which share of that is zero; null where nothing was written.</param>
/// <param name="CompressedShare">To which share of its size the rest compresses; null where there is none, or no zstd.</param>
readonly record struct ContentSample(long UsedBytes, double? ZeroShare, double? CompressedShare)
{
    // A smaller memory is looked at whole. The error of a share is at most 0.8 %.
    const int Pages = 4096;

    // Pages that lie together resemble each other, and are compressed together: 8 MiB at most.
    const int Chunks = 32;

    // The least that QEMU and we compress with, unless told otherwise.
    const int Level = 1;

    /// <summary>Looks at some of the memory; a few ten milliseconds.</summary>
    public static ContentSample Of(IReadOnlyList<RamBlock> blocks)
    {
        var used = Used(blocks).Sum(chunk => (long)chunk.Pages);
        return new(used * GuestMemory.PageSize, Zeros(blocks, used), Compressed(blocks));
    }

    static double? Zeros(IReadOnlyList<RamBlock> blocks, long used)
    {
        long zeros = 0, before = 0;
        var sample = Spread(used, Pages);
        var next = 0;
        foreach (var chunk in Used(blocks))
        {
            ulong bits = 0;
            for (; next < sample.Length && sample[next] < before + chunk.Pages; next++) bits |= 1UL << (int)(sample[next] - before);
            zeros += BitOperations.PopCount(PageContent.ZeroBits(chunk.Block, chunk.Index, bits));
            before += chunk.Pages;
        }
        return sample.Length == 0 ? null : (double)zeros / sample.Length;
    }

    static double? Compressed(IReadOnlyList<RamBlock> blocks)
    {
        var sample = Spread(Used(blocks).LongCount(), Chunks);
        try
        {
            return Compressed(Used(blocks).Index().Where(chunk => Array.BinarySearch(sample, chunk.Index) >= 0).Select(chunk => chunk.Item));
        }
        catch (MigrationException error) when (error.Id == MigrationErrorId.UnsupportedFeature)
        {
            // Without zstd nothing will be compressed by it.
            return null;
        }
    }

    static double? Compressed(IEnumerable<(RamBlock Block, int Index, int Pages)> chunks)
    {
        using var encoder = new ZstdEncoder(Level);
        long pages = 0, bytes = 0;
        foreach (var (block, index, count) in chunks)
        {
            var all = BitWords.Mask(0, count);
            var offsets = OffsetsOf(index, all & ~PageContent.ZeroBits(block, index, all));
            if (offsets.Length == 0) continue;
            bytes += encoder.Encode(block, offsets).Length;
            pages += offsets.Length;
        }
        return pages == 0 ? null : Math.Min(1, (double)bytes / (pages * GuestMemory.PageSize));
    }

    static long[] OffsetsOf(int chunk, ulong bits)
    {
        var offsets = new long[BitOperations.PopCount(bits)];
        for (var i = 0; i < offsets.Length; i++, bits &= bits - 1)
            offsets[i] = (((long)chunk * RamBlock.PagesPerChunk) + BitOperations.TrailingZeroCount(bits)) * GuestMemory.PageSize;
        return offsets;
    }

    /// <summary>The chunks of 64 pages that were ever written to, of all blocks.</summary>
    static IEnumerable<(RamBlock Block, int Index, int Pages)> Used(IReadOnlyList<RamBlock> blocks)
    {
        foreach (var block in blocks)
        {
            var chunks = BitWords.Count(block.Pages);
            for (var at = block.UntouchedChunks(0, chunks); at < chunks; at++, at += block.UntouchedChunks(at, chunks - at))
                yield return (block, at, (int)Math.Min(RamBlock.PagesPerChunk, block.Pages - ((long)at * RamBlock.PagesPerChunk)));
        }
    }

    /// <summary>Numbers below <paramref name="count"/>, rising: one of each of so many parts of them, anywhere in it.</summary>
    static long[] Spread(long count, int parts)
    {
        var numbers = new long[Math.Min(count, parts)];
        var random = 0UL;
        for (var i = 0; i < numbers.Length; i++)
        {
            long first = (long)((Int128)count * i / numbers.Length), next = (long)((Int128)count * (i + 1) / numbers.Length);
            numbers[i] = first + (long)Generator.Below(Generator.Next(ref random), (ulong)(next - first));
        }
        return numbers;
    }
}
