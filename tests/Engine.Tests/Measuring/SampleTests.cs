using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Measuring;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Measuring;

/// <summary>What samples say of memory of which all is known.</summary>
public sealed class SampleTests
{
    const int MiB = 1 << 20;

    [Fact]
    public void What_was_never_written_is_not_in_use()
    {
        using var memory = new Memory(2 * MiB);
        Assert.Equal(new ContentSample(0, null, null), ContentSample.Of(memory.Blocks));
        memory.Write(0, 300, [0]);
        Assert.Equal(new ContentSample(256 << 10, 1, null), ContentSample.Of(memory.Blocks));
    }

    [Fact]
    public void A_small_memory_is_looked_at_whole()
    {
        // The last chunk of each block is not full.
        using var memory = new Memory(3 * MiB - 4096, 100 * 4096);
        var random = new Random(3);
        long used = 0, zeros = 0;
        for (var block = 0; block < 2; block++)
            for (long page = 0; page < memory.Blocks[block].Pages; page++)
            {
                // Some chunks are left alone.
                if (page / 64 % 5 == 3) continue;
                var isZero = random.Next(3) == 0;
                memory.Write(block, page, [(byte)(isZero ? 0 : 1 + random.Next(255))]);
                used++;
                zeros += isZero ? 1 : 0;
            }
        var sample = ContentSample.Of(memory.Blocks);
        Assert.Equal((used * 4096, (double)zeros / used), (sample.UsedBytes, sample.ZeroShare!.Value));
        Assert.InRange(sample.CompressedShare!.Value, 0.0001, 0.02);
    }

    [Fact]
    public void A_large_one_is_sampled_all_over()
    {
        using var memory = new Memory(64 * MiB, 8 * MiB);
        // The first third of all pages is zero, the last sixth was never written.
        for (long page = 0; page < 15 * 1024; page++) memory.Write(page < 14 * 1024 ? 0 : 1, page % (14 * 1024), [(byte)(page < 6 * 1024 ? 0 : 1)]);
        var sample = ContentSample.Of(memory.Blocks);
        Assert.Equal(60 * MiB, sample.UsedBytes);
        Assert.InRange(sample.ZeroShare!.Value, 0.4 - 0.001, 0.4 + 0.001);
    }

    [Theory]
    [InlineData(GuestContent.Random, 0.99, 1)]
    [InlineData(GuestContent.Text, 0.1, 0.5)]
    [InlineData(GuestContent.Mixed, 0.5, 0.8)]
    public void Pages_compress_as_a_migrations_packets_do(GuestContent content, double least, double most)
    {
        using var memory = new Memory(16 * MiB);
        ContentFill.Fill(memory.Blocks[0], 16 * MiB, content, 11);
        var share = ContentSample.Of(memory.Blocks).CompressedShare!.Value;
        Assert.InRange(share, least, most);
        Assert.InRange(share, AllPackets(memory.Blocks[0]) * 0.95, Math.Min(1, AllPackets(memory.Blocks[0]) * 1.05));
    }

    [Fact]
    public void Differences_are_those_of_the_pages_that_were_written_again()
    {
        using var memory = new Memory(1 * MiB);
        var random = new Random(5);
        var dirty = new ulong[4];
        for (var page = 0; page < 256; page += 3) dirty[page / 64] |= 1UL << (page % 64);
        for (long page = 0; page < 256; page++) memory.Write(0, page, Bytes(random, 4096));
        var before = Enumerable.Range(0, 256).Select(page => memory.Blocks[0].Page(page).ToArray()).ToArray();
        var sample = new DeltaSample(memory.Blocks, [dirty]);
        Assert.Equal(86, sample.Count);
        Assert.Null(sample.Share((_, _) => false));
        Assert.Equal(0, sample.Share((_, _) => true));
        // Few bytes of some, all of others.
        for (long page = 0; page < 256; page++) memory.Write(0, page, Bytes(random, page % 4 == 0 ? 4096 : (int)page));
        var again = Enumerable.Range(0, 256).Where(page => page % 3 == 0 && page % 2 == 0).ToList();
        var encoded = new byte[4096];
        var expected = again.Average(page => XbzrleEncoder.EncodePlain(before[page], memory.Blocks[0].Page(page), encoded) is var length and >= 0 ? length : 4096) / 4096;
        Assert.Equal(expected, sample.Share((_, page) => page % 2 == 0)!.Value, 9);
        Assert.InRange(expected, 0.1, 0.9);
    }

    [Theory]
    [InlineData(512, 512)]
    [InlineData(513, 256)]
    [InlineData(5000, 500)]
    public void At_most_so_many_pages_are_copied_from_all_over(int pages, int copied)
    {
        using var memory = new Memory(32 * MiB, MiB);
        var dirty = new[] { new ulong[128], new ulong[4] };
        for (var page = 0; page < pages - 1; page++) dirty[0][page / 64] |= 1UL << (page % 64);
        dirty[1][3] = 1UL << 63;
        var sample = new DeltaSample(memory.Blocks, dirty);
        Assert.Equal(copied, sample.Count);
        var seen = new List<(int, long)>();
        sample.Share((block, page) =>
        {
            seen.Add((block, page));
            return false;
        });
        Assert.Equal(copied, seen.Distinct().Count());
        Assert.All(seen, one => Assert.True((dirty[one.Item1][one.Item2 / 64] & (1UL << (int)(one.Item2 % 64))) != 0));
        Assert.True(seen[^1].Item2 > pages * 0.9 || seen[^1] == (1, 255));
    }

    static double AllPackets(RamBlock block)
    {
        using var encoder = new ZstdEncoder(1);
        long bytes = 0, pages = 0;
        for (long first = 0; first < block.Pages; first += 128)
        {
            long[] offsets = [.. Enumerable.Range(0, 128).Select(page => (first + page) * 4096).Where(offset => !PageContent.IsZeroPlain(block.Page(offset / 4096)))];
            bytes += encoder.Encode(block, offsets).Length;
            pages += offsets.Length;
        }
        return bytes / (pages * 4096.0);
    }

    static byte[] Bytes(Random random, int count)
    {
        var bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }

    sealed class Memory(params long[] lengths) : IDisposable
    {
        readonly GuestMemory _memory = new([.. lengths.Select((length, index) => ($"block{index}", length))]);

        public IReadOnlyList<RamBlock> Blocks => _memory.Blocks;

        public unsafe void Write(int block, long page, byte[] bytes) =>
            bytes.CopyTo(new Span<byte>(Blocks[block].PageForWrite(page), GuestMemory.PageSize));

        public void Dispose() => _memory.Release();
    }
}
