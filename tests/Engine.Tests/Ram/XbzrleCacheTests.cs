using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Ram;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>One slot for each address; what was used in this or the last generation stays.</summary>
public sealed unsafe class XbzrleCacheTests
{
    const int Page = GuestMemory.PageSize;
    const int Slots = 4;

    [Fact]
    public void A_page_is_found_only_under_its_own_address()
    {
        using var cache = new XbzrleCache(Slots * Page);
        Assert.True(cache.Find(0, 2).IsEmpty);
        Assert.Equal(Filled(7), cache.Insert(0, Filled(7), 2).ToArray());
        Assert.Equal(Filled(7), cache.Find(0, 2).ToArray());
        Assert.True(cache.Find(Slots * Page, 2).IsEmpty);
        Assert.True(cache.Find(Page, 2).IsEmpty);
    }

    [Fact]
    public void A_slot_is_kept_for_its_page_until_two_generations_have_not_used_it()
    {
        using var cache = new XbzrleCache(Slots * Page);
        const long Other = Slots * Page;
        cache.Insert(0, Filled(1), 2);
        Assert.True(cache.Insert(Other, Filled(2), 2).IsEmpty);
        Assert.True(cache.Insert(Other, Filled(2), 3).IsEmpty);
        // Used again, it is young again.
        Assert.Equal(Filled(1), cache.Find(0, 3).ToArray());
        Assert.True(cache.Insert(Other, Filled(2), 4).IsEmpty);
        Assert.Equal(Filled(2), cache.Insert(Other, Filled(2), 5).ToArray());
        Assert.True(cache.Find(0, 5).IsEmpty);
        // Its own page takes a slot over at any age.
        Assert.Equal(Filled(3), cache.Insert(Other, Filled(3), 5).ToArray());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-Page)]
    [InlineData(Page / 2)]
    [InlineData(3 * Page)]
    [InlineData(long.MinValue)]
    public void A_size_that_is_no_power_of_two_of_pages_is_refused(long size) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new XbzrleCache(size));

    [Theory]
    [InlineData(64 << 20, 16 << 20, 16 << 20)]
    [InlineData(64 << 20, 3 * Page, 4 * Page)]
    [InlineData(8 * Page, 64 << 20, 8 * Page)]
    [InlineData(1L << 62, 1L << 44, 1L << 44)]
    public void It_is_never_larger_than_the_guest_needs(long asked, long memory, long expected) => Assert.Equal(expected, XbzrleCache.Fit(asked, memory));

    [Fact]
    public void Memory_that_is_not_to_be_had_is_a_typed_error_and_leaves_none_behind()
    {
        var host = new Host { Most = 1 };
        Assert.Equal(MigrationErrorId.MemoryExceeded, Assert.Throws<MigrationException>(() => new XbzrleCache(Slots * Page, host)).Id);
        Assert.Equal(0, host.Held);
        host.Most = 2;
        var cache = new XbzrleCache(Slots * Page, host);
        Assert.Equal(2, host.Held);
        cache.Dispose();
        cache.Dispose();
        Assert.Equal(0, host.Held);
        Assert.Throws<ObjectDisposedException>(() => cache.Find(0, 2).IsEmpty);
    }

    [Fact]
    public void Another_size_keeps_what_fits_and_of_two_the_later()
    {
        using var cache = new XbzrleCache(Slots * Page);
        for (var slot = 0; slot < Slots; slot++) cache.Insert(slot * Page, Filled((byte)(slot + 1)), 2 + slot);
        cache.Resize(2 * Slots * Page);
        Assert.Equal((2 * Slots * Page, Slots), (cache.Size, cache.Count));
        for (var slot = 0; slot < Slots; slot++) Assert.Equal(Filled((byte)(slot + 1)), cache.Find(slot * Page, 2 + slot).ToArray());
        cache.Insert((Slots + 1) * Page, Filled(9), 9);
        cache.Resize(Slots / 2 * Page);
        Assert.Equal(Slots / 2, cache.Count);
        // 0 and 2, 1 and 3 and 5 come to share a slot.
        Assert.Equal(Filled(3), cache.Find(2 * Page, 9).ToArray());
        Assert.Equal(Filled(9), cache.Find((Slots + 1) * Page, 9).ToArray());
        Assert.True(cache.Find(0, 9).IsEmpty && cache.Find(Page, 9).IsEmpty && cache.Find(3 * Page, 9).IsEmpty);
        cache.Resize(Slots / 2 * Page);
        Assert.Equal(Filled(3), cache.Find(2 * Page, 9).ToArray());
    }

    [Fact]
    public void Another_size_of_which_there_is_no_memory_changes_nothing()
    {
        var host = new Host { Most = 3 };
        var cache = new XbzrleCache(Slots * Page, host);
        cache.Insert(Page, Filled(5), 2);
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Resize(3 * Page));
        Assert.Equal(MigrationErrorId.MemoryExceeded, Assert.Throws<MigrationException>(() => cache.Resize(2 * Slots * Page)).Id);
        Assert.Equal((2, Slots * Page), (host.Held, cache.Size));
        Assert.Equal(Filled(5), cache.Find(Page, 2).ToArray());
        host.Most = 4;
        cache.Resize(2 * Slots * Page);
        Assert.Equal(2, host.Held);
        cache.Dispose();
        Assert.Equal(0, host.Held);
        Assert.Throws<ObjectDisposedException>(() => cache.Resize(Page));
    }

    static byte[] Filled(byte with)
    {
        var page = new byte[Page];
        Array.Fill(page, with);
        return page;
    }

    /// <summary>Gives so many blocks and no more.</summary>
    sealed class Host : IHostMemory
    {
        public int Most { get; set; }

        public int Held { get; private set; }

        public byte* Reserve(long length)
        {
            if (Held == Most) throw new MigrationException(MigrationErrorId.MemoryExceeded, MigrationSide.User, "No more.");
            Held++;
            return HostMemory.Default.Reserve(length);
        }

        public void ExpectDense(byte* address, long length)
        {
        }

        public void Release(byte* address, long length)
        {
            Held--;
            HostMemory.Default.Release(address, length);
        }
    }
}
