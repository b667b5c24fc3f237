using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>Which pages of a block have come, asked while they do.</summary>
public sealed class ArrivingBlockTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(1000)]
    public void It_is_complete_with_its_last_page_in_whatever_order_they_come(int pages)
    {
        var memory = new GuestMemory((long)pages * GuestMemory.PageSize);
        var block = new ArrivingBlock(memory.Ram);
        var order = Enumerable.Range(0, pages).ToArray();
        new Random(pages).Shuffle(order);
        for (var come = 0; come < pages; come++)
        {
            Assert.False(block.IsComplete);
            Assert.Equal(pages - come, block.MissingPages);
            block.MarkReceived(order[come]);
        }
        Assert.True(block.IsComplete);
        Assert.Equal(pages, block.FirstMissing);
        memory.Release();
    }

    [Fact]
    public void After_a_discard_pages_are_missing_again()
    {
        var memory = new GuestMemory(1000L * GuestMemory.PageSize);
        var block = new ArrivingBlock(memory.Ram);
        for (var page = 0; page < 1000; page++) block.MarkReceived(page);
        Assert.True(block.IsComplete);
        block.Discard(70, 3);
        Assert.False(block.IsComplete);
        Assert.Equal(70, block.FirstMissing);
        for (var page = 70; page < 73; page++) block.MarkReceived(page);
        Assert.True(block.IsComplete);
        memory.Release();
    }

    [Fact]
    public void Asked_at_random_times_it_says_what_its_plain_twin_says()
    {
        var random = new Random(8);
        var memory = new GuestMemory(300L * GuestMemory.PageSize);
        for (var round = 0; round < 200; round++)
        {
            var (block, plain) = (new ArrivingBlock(memory.Ram), new bool[300]);
            for (var step = 0; step < 40; step++)
            {
                var first = random.Next(300);
                var count = random.Next(1, 301 - first);
                var comes = random.Next(8) != 0;
                if (!comes) block.Discard(first, count);
                for (var page = first; page < first + count; page++)
                {
                    plain[page] = comes;
                    if (comes) block.MarkReceived(page);
                }
                if (random.Next(2) == 0) Assert.Equal(Array.TrueForAll(plain, come => come), block.IsComplete);
                Assert.Equal(plain.Count(come => !come), block.MissingPages);
            }
        }
        memory.Release();
    }
}
