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

    [Fact]
    public void As_much_is_touched_ahead_as_came_without_a_gap()
    {
        var ahead = new Ahead(200);
        Assert.Empty(ahead.Touch());
        ahead.Come(0, LargePage - 1);
        Assert.Empty(ahead.Touch());
        ahead.Come(LargePage - 1, (3 * LargePage) + 10);
        // Of a large page that has begun the rest comes by itself.
        Assert.Equal([5, 6, 7], ahead.Touch());
        Assert.Empty(ahead.Touch());
        ahead.Come((4 * LargePage) + 9, LargePage);
        Assert.Equal([8, 9], ahead.Touch());
        // All of it is expected dense, once.
        Assert.Equal(Enumerable.Range(1, 9).Select(page => ((long)page, 1L)), ahead.Hints);
        ahead.Come(100 * LargePage, 10);
        Assert.Empty(ahead.Touch());
        ahead.Come((100 * LargePage) + 10, 2 * LargePage);
        Assert.Equal([103], ahead.Touch());
    }

    [Fact]
    public void No_more_than_so_much_is_touched_ahead_and_nothing_behind_the_end_or_twice()
    {
        var ahead = new Ahead(200, extraPages: 5);
        ahead.Come(0, 90 * LargePage);
        Assert.Equal(Enumerable.Range(90, 64), ahead.Touch());
        ahead.Come(90 * LargePage, 100 * LargePage);
        Assert.Equal(Enumerable.Range(190, 10), ahead.Touch());
        ahead.Come(190 * LargePage, (10 * LargePage) + 5);
        Assert.Empty(ahead.Touch());
        // The next pass finds all of it there.
        ahead.Come(0, 20 * LargePage);
        Assert.Empty(ahead.Touch());
    }

    [Fact]
    public void What_was_touched_reads_as_it_did()
    {
        var memory = new GuestMemory(4 * GuestMemory.LargePageSize);
        memory.Ram.PageForWrite(7)[3] = 9;
        memory.Touch(memory.Ram, 0, 4 * LargePage);
        Assert.Equal(9, memory.Ram.PageForWrite(7)[3]);
        Assert.True(memory.Ram.IsTouched(0) && !memory.Ram.IsTouched((int)(LargePage / RamBlock.PagesPerChunk)));
        Assert.False(new ReadOnlySpan<byte>(memory.Ram.PageForWrite(3 * LargePage), GuestMemory.PageSize).ContainsAnyExcept((byte)0));
        memory.Release();
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

    /// <summary>An arrival that has nothing else to do now and then.</summary>
    sealed class Ahead(long largePages, long extraPages = 0)
    {
        readonly HintHost _host = new();
        GuestMemory? _memory;
        DenseArrival _density;

        GuestMemory Memory => _memory ??= new GuestMemory((largePages * GuestMemory.LargePageSize) + (extraPages * GuestMemory.PageSize), host: _host);

        public List<(long First, long Count)> Hints => _host.Hints;

        public void Come(long first, long count)
        {
            for (var page = first; page < first + count; page++)
            {
                _density.Arriving(Memory, Memory.Ram, page);
                _ = Memory.Ram.PageForWrite(page);
            }
        }

        /// <summary>All that there is to touch.</summary>
        public int[] Touch()
        {
            _host.Touched.Clear();
            while (_density.TouchAhead(Memory, Memory.Ram)) { }
            return [.. _host.Touched];
        }
    }

    // Nothing is written, so one address is as good as another.
    sealed class HintHost : IHostMemory
    {
        const long Base = 1L << 40;

        public List<(long First, long Count)> Hints { get; } = [];

        public List<int> Touched { get; } = [];

        public byte* Reserve(long length) => (byte*)Base;

        public bool Touch(byte* address, long length)
        {
            Assert.Equal(GuestMemory.LargePageSize, length);
            Touched.Add((int)(((long)address - Base) / GuestMemory.LargePageSize));
            return true;
        }

        public void ExpectDense(byte* address, long length) =>
            Hints.Add((((long)address - Base) / GuestMemory.LargePageSize, length / GuestMemory.LargePageSize));

        public void Release(byte* address, long length)
        {
        }
    }
}
