using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>Large pages where memory arrives densely, and nowhere else.</summary>
public sealed unsafe class DenseArrivalTests
{
    const long LargePage = GuestMemory.LargePageSize / GuestMemory.PageSize;

    [Fact]
    public void What_follows_two_mebibytes_without_a_gap_is_expected_dense()
    {
        Assert.Equal([(1, 1), (2, 1), (3, 1)], Expected(4, Enumerable.Range(0, (int)(4 * LargePage)).Select(page => (long)page)));
    }

    [Fact]
    public void A_gap_ends_it()
    {
        var pages = Enumerable.Range(0, (int)(4 * LargePage)).Select(page => (long)page).Where(page => page != LargePage + 7);
        Assert.Equal([(1, 1), (3, 1)], Expected(4, pages));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(512)]
    public void Scattered_pages_are_never_expected_dense(int step)
    {
        Assert.Empty(Expected(64, Enumerable.Range(0, (int)(64 * LargePage / step)).Select(page => (long)page * step)));
    }

    [Fact]
    public void Memory_that_is_there_already_and_the_rest_that_is_too_short_are_left_alone()
    {
        var all = Enumerable.Range(0, (int)(2 * LargePage) + 5).Select(page => (long)page).ToList();
        Assert.Equal([(1, 1)], Expected(2, all.Concat(all), extraPages: 5));
    }

    [Fact]
    public void A_sender_can_not_make_the_system_run_out_of_mappings()
    {
        // Every third large page is left out, so that each stretch stands alone.
        var pages = Enumerable.Range(0, (int)(1200 * LargePage)).Select(page => (long)page).Where(page => page / LargePage % 3 != 2);
        Assert.Equal(256, Expected(1200, pages).Count);
    }

    static List<(long First, long Count)> Expected(long largePages, IEnumerable<long> pages, long extraPages = 0)
    {
        var host = new HintHost();
        var memory = new GuestMemory((largePages * GuestMemory.LargePageSize) + (extraPages * GuestMemory.PageSize), host: host);
        var density = default(DenseArrival);
        foreach (var page in pages)
        {
            density.Arriving(memory, memory.Ram, page);
            _ = memory.Ram.PageForWrite(page);
        }
        memory.Release();
        return host.Hints;
    }

    // Nothing is written, so one address is as good as another.
    sealed class HintHost : IHostMemory
    {
        const long Base = 1L << 40;

        public List<(long First, long Count)> Hints { get; } = [];

        public byte* Reserve(long length) => (byte*)Base;

        public void ExpectDense(byte* address, long length) =>
            Hints.Add((((long)address - Base) / GuestMemory.LargePageSize, length / GuestMemory.LargePageSize));

        public void Release(byte* address, long length)
        {
        }
    }
}
