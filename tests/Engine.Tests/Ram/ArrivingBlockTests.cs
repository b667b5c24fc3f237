using System.Numerics;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>Pages that have not come are counted as they come; the count is that of the bitmap.</summary>
public sealed class ArrivingBlockTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(1000)]
    public void What_is_missing_is_what_the_bitmap_lacks(int pages)
    {
        var memory = new GuestMemory((long)pages * GuestMemory.PageSize);
        var block = new ArrivingBlock(memory.Ram);
        var random = new Random(pages);
        Assert.Equal(pages, block.MissingPages);
        for (var i = 0; i < 2000; i++)
        {
            var first = random.Next(pages);
            var count = random.Next(1, pages - first + 1);
            switch (random.Next(4))
            {
                case 0: block.MarkReceived(first); break;
                case 1: block.MarkReceived(first >> 6, 1UL << (first & 63)); break;
                case 2: block.MarkReceived(first, Math.Min(count, 70)); break;
                default: block.Discard(first, Math.Min(count, 100)); break;
            }
            Assert.Equal(pages - block.ReceivedBitmap().Sum(BitOperations.PopCount), block.MissingPages);
        }
        block.MarkReceived(0, pages);
        Assert.Equal((0L, (long)pages), (block.MissingPages, block.FirstMissing));
        memory.Release();
    }

    [Fact]
    public void Threads_that_bring_neighbours_count_each_page_once()
    {
        const int Pages = 64 * 500;
        var memory = new GuestMemory((long)Pages * GuestMemory.PageSize);
        var block = new ArrivingBlock(memory.Ram);
        // Each page comes twice from its thread, as a page that was dirtied again does.
        Parallel.For(0, 4, thread =>
        {
            for (var round = 0; round < 2; round++)
                for (var page = thread; page < Pages; page += 4) block.MarkReceived(page);
        });
        Assert.Equal(0, block.MissingPages);
        memory.Release();
    }
}
