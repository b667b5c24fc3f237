using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>What a destination asks for: checked, kept in order, and bounded whatever it asks.</summary>
public sealed class PageRequestsTests : IDisposable
{
    const ulong Page = GuestMemory.PageSize;

    readonly GuestMemory _memory = new([("ram", 200 * (long)Page), ("rom", 70 * (long)Page)]);
    readonly PageRequests _requests;

    public PageRequestsTests() => _requests = new PageRequests(_memory);

    [Fact]
    public void They_are_taken_in_the_order_in_which_they_came()
    {
        Assert.True(_requests.IsEmpty);
        _requests.Add("rom", 69 * Page, (uint)Page);
        _requests.Add(null, 3 * Page, (uint)Page);
        _requests.Add("ram", 0, (uint)Page);
        Assert.False(_requests.IsEmpty);
        Assert.Equal([(1, 69L), (1, 3L), (0, 0L)], TakeAll());
        Assert.True(_requests.IsEmpty);
        Assert.Equal(3, _requests.Received);
    }

    [Fact]
    public void One_for_many_pages_is_taken_word_by_word()
    {
        _requests.Add("ram", 60 * Page, (uint)Page * 80);
        var taken = new List<(int, ulong)>();
        while (_requests.TryTake(out _, out var word, out var bits)) taken.Add((word, bits));
        Assert.Equal([(0, 0xFUL << 60), (1, ulong.MaxValue), (2, (1UL << 12) - 1)], taken);
        Assert.True(_requests.IsEmpty);
    }

    [Fact]
    public void The_last_pages_of_a_block_and_all_of_it_can_be_asked_for()
    {
        _requests.Add("rom", 0, 70 * (uint)Page);
        Assert.Equal(Enumerable.Range(0, 70).Select(page => (1, (long)page)), TakeAll());
    }

    [Fact]
    public void What_is_asked_for_again_counts_once_until_a_link_breaks()
    {
        for (var i = 0; i < 1000; i++)
        {
            _requests.Add("ram", 7 * Page, (uint)Page);
            _requests.Add("ram", 6 * Page, 4 * (uint)Page);
        }
        Assert.Equal([(0, 7L), (0, 6L), (0, 8L), (0, 9L)], TakeAll());
        Assert.Equal(2000, _requests.Received);
        // It has gone, or goes.
        _requests.Add("ram", 7 * Page, (uint)Page);
        Assert.True(_requests.IsEmpty);
        Assert.Empty(TakeAll());
        _requests.Forget();
        _requests.Add("ram", 7 * Page, (uint)Page);
        Assert.Equal([(0, 7L)], TakeAll());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void One_that_asks_for_all_of_a_large_guest_again_and_again_costs_a_few_steps_each_time(bool takes)
    {
        const long pages = 1 << 18;
        const int asked = 1 << 16;
        var memory = new GuestMemory([("ram", pages * (long)Page)]);
        try
        {
            var requests = new PageRequests(memory);
            var random = new Random(5);
            var given = 0L;
            for (var i = 0; i < asked; i++)
            {
                // From the end to the front, then anything: each of them reaches to the end, or half way.
                var first = i < asked / 2 ? pages - 1 - (i * 8L) : random.NextInt64(pages);
                requests.Add("ram", (ulong)first * Page, (uint)((i % 3 == 0 ? pages - first : (pages - first + 1) / 2) * (long)Page));
                if (takes) given += Take(requests);
            }
            given += Take(requests);
            Assert.InRange(given, pages / 2, pages);
            // A look at each word of each request would be some hundred million.
            Assert.InRange(requests.Steps, asked, 16L * (asked + (pages / 64)));
        }
        finally
        {
            memory.Release();
        }
    }

    static long Take(PageRequests requests)
    {
        var pages = 0L;
        while (requests.TryTake(out _, out _, out var bits)) pages += System.Numerics.BitOperations.PopCount(bits);
        return pages;
    }

    [Fact]
    public void They_are_those_of_a_plain_twin()
    {
        var random = new Random(7);
        for (var round = 0; round < 50; round++)
        {
            var requests = new PageRequests(_memory);
            var (asked, given) = (new HashSet<long>(), new List<long>());
            for (var i = random.Next(60); i > 0; i--)
            {
                var first = random.Next(200);
                var count = 1 + random.Next(200 - first);
                var before = asked.Count;
                asked.UnionWith(Enumerable.Range(first, count).Select(page => (long)page));
                var isNew = asked.Count > before;
                var wasEmpty = requests.IsEmpty;
                requests.Add("ram", (ulong)first * Page, (uint)count * (uint)Page);
                if (wasEmpty) Assert.Equal(!isNew, requests.IsEmpty);
                if (random.Next(3) == 0) Give();
            }
            Give();
            Assert.Equal(asked.Order(), given.Order());

            void Give()
            {
                while (requests.TryTake(out _, out var word, out var bits))
                    for (; bits != 0; bits &= bits - 1) given.Add((word * 64L) + System.Numerics.BitOperations.TrailingZeroCount(bits));
            }
        }
    }

    [Fact]
    public void One_that_asks_for_everything_without_end_costs_one_entry_a_page_at_most()
    {
        var before = 0L;
        for (var round = 0; round < 40; round++)
        {
            for (ulong page = 0; page < 200; page++)
            {
                _requests.Add("ram", page * Page, (uint)Page);
                _requests.Add("ram", page * Page, (uint)((200 - page) * Page));
            }
            // The room for the entries is there behind the first round.
            if (round == 0) before = GC.GetAllocatedBytesForCurrentThread();
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(200, TakeAll().Distinct().Count());
    }

    [Fact]
    public void What_is_forgotten_is_not_taken_and_can_be_asked_for_again()
    {
        _requests.Add("ram", 0, 100 * (uint)Page);
        Assert.True(_requests.TryTake(out _, out _, out _));
        _requests.Forget();
        Assert.True(_requests.IsEmpty);
        Assert.Empty(TakeAll());
        _requests.Add("ram", 70 * Page, (uint)Page);
        Assert.Equal([(0, 70L)], TakeAll());
    }

    [Theory]
    [InlineData("nvram", 0UL, 4096U, MigrationErrorId.UnknownBlock)]
    [InlineData("", 0UL, 4096U, MigrationErrorId.UnknownBlock)]
    [InlineData("ram", 0UL, 0U, MigrationErrorId.InvalidLength)]
    [InlineData("ram", 0UL, 1U, MigrationErrorId.InvalidLength)]
    [InlineData("ram", 0UL, 6000U, MigrationErrorId.InvalidLength)]
    [InlineData("ram", 0UL, uint.MaxValue, MigrationErrorId.InvalidLength)]
    [InlineData("ram", 0UL, 0xFFFFF000U, MigrationErrorId.OffsetOutOfRange)]
    [InlineData("ram", 1UL, 4096U, MigrationErrorId.OffsetOutOfRange)]
    [InlineData("ram", 200UL * 4096, 4096U, MigrationErrorId.OffsetOutOfRange)]
    [InlineData("ram", 199UL * 4096, 8192U, MigrationErrorId.OffsetOutOfRange)]
    [InlineData("ram", 0xFFFFFFFFFFFFF000UL, 4096U, MigrationErrorId.OffsetOutOfRange)]
    [InlineData("ram", 0xFFFFFFFFFFFFF000UL, 8192U, MigrationErrorId.OffsetOutOfRange)]
    [InlineData("rom", 70UL * 4096, 4096U, MigrationErrorId.OffsetOutOfRange)]
    public void What_can_not_be_asked_for_is_an_error_of_the_destination(string block, ulong start, uint length, MigrationErrorId id)
    {
        var error = Assert.Throws<MigrationException>(() => _requests.Add(block, start, length));
        Assert.Equal((id, MigrationSide.Destination), (error.Id, error.Side));
        Assert.True(_requests.IsEmpty);
        Assert.Equal(0, _requests.Received);
        // It has named no block either.
        Assert.Equal(MigrationErrorId.OutOfOrder, Assert.Throws<MigrationException>(() => _requests.Add(null, 0, 4096)).Id);
    }

    [Fact]
    public void Who_waits_is_woken_by_a_request_and_by_nothing_else_before_the_limit()
    {
        Assert.False(_requests.Wait(TimeSpan.Zero));
        Assert.False(_requests.Wait(TimeSpan.FromMilliseconds(20)));
        var waiter = Task.Factory.StartNew(() => _requests.Wait(Patience.Limit), TaskCreationOptions.LongRunning);
        _requests.Add("ram", 0, (uint)Page);
        Assert.True(waiter.GetAwaiter().GetResult());
        Assert.True(_requests.Wait(TimeSpan.Zero));
        TakeAll();
        Assert.False(_requests.Wait(TimeSpan.Zero));
    }

    [Fact]
    public void None_is_lost_between_one_that_asks_and_one_that_takes()
    {
        const int rounds = 20_000;
        var asker = Task.Factory.StartNew(() =>
        {
            var random = new Random(5);
            for (var i = 0; i < rounds; i++) _requests.Add("ram", (ulong)random.Next(199) * Page, (uint)Page);
            _requests.Add("ram", 199 * Page, (uint)Page);
        }, TaskCreationOptions.LongRunning);
        var seen = new HashSet<long>();
        while (!seen.Contains(199))
        {
            Assert.True(_requests.Wait(Patience.Limit));
            foreach (var (_, page) in TakeAll()) seen.Add(page);
        }
        asker.GetAwaiter().GetResult();
        Assert.True(_requests.IsEmpty);
        var random = new Random(5);
        for (var i = 0; i < rounds; i++) Assert.Contains(random.Next(199), seen);
    }

    public void Dispose() => _memory.Release();

    List<(int Block, long Page)> TakeAll()
    {
        var all = new List<(int, long)>();
        while (_requests.TryTake(out var block, out var word, out var bits))
        {
            Assert.NotEqual(0UL, bits);
            for (var bit = 0; bit < 64; bit++)
                if ((bits >> bit & 1) != 0) all.Add((block, (word * 64L) + bit));
        }
        return all;
    }
}
