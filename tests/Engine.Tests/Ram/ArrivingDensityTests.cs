using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>Large pages where several connections bring memory densely, and nowhere else.</summary>
public sealed unsafe class ArrivingDensityTests
{
    const int LargePage = GuestMemory.LargePageSize / GuestMemory.PageSize;

    // Pages of one packet of QEMU's.
    const int Packet = 128;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(8)]
    public void What_channels_bring_in_turns_is_expected_dense_after_some_mebibytes(int channels)
    {
        // Each channel stores its packets in order, and is somewhere else in them than the others.
        var random = new Random(channels);
        var waiting = Enumerable.Range(0, channels).Select(_ => new Queue<int>()).ToArray();
        var order = new List<long>();
        for (var packet = 0; packet < 64 * LargePage / Packet;)
        {
            var channel = waiting[random.Next(channels)];
            if (channel.Count > 0 && random.Next(2) == 0) Store(channel.Dequeue());
            else if (channel.Count < 2) channel.Enqueue(packet++);
        }
        foreach (var channel in waiting)
            while (channel.Count > 0) Store(channel.Dequeue());

        var expected = Expected(64, order);
        Assert.Equal(expected.Distinct(), expected);
        Assert.DoesNotContain(0, expected);
        // Mostly: where a channel lags far behind the others a gap is seen.
        Assert.InRange(expected.Count, 48, 63);

        void Store(int packet) => order.AddRange(Enumerable.Range(packet * Packet, Packet).Select(page => (long)page));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(512)]
    public void Scattered_pages_are_never_expected_dense(int step) =>
        Assert.Empty(Expected(64, Enumerable.Range(0, 64 * LargePage / step).Select(page => (long)page * step)));

    [Fact]
    public void Memory_that_is_there_already_is_left_alone()
    {
        var all = Enumerable.Range(0, 3 * LargePage).Select(page => (long)page).ToList();
        Assert.Equal([1, 2], Expected(3, all.Concat(all)));
        // One page of the second came before.
        Assert.Equal([2], Expected(3, all.Prepend(LargePage + 9)));
    }

    [Fact]
    public void A_sender_can_not_make_the_system_run_out_of_mappings()
    {
        // A page of every other large page comes first, so that each of the others stands alone.
        var touched = Enumerable.Range(0, 600).Select(large => (long)large * 2 * LargePage);
        Assert.Equal(256, Expected(1200, touched.Concat(Enumerable.Range(0, 1200 * LargePage).Select(page => (long)page))).Count);
    }

    [Fact]
    public void Stretches_that_grow_together_count_as_one()
    {
        // Pairs the wrong way round: each begins a stretch that the next one joins to the others.
        var order = Enumerable.Range(0, 1200).Select(large => (large % 4) switch { 1 => large + 1, 2 => large - 1, _ => large })
            .SelectMany(large => Enumerable.Range(large * LargePage, LargePage)).Select(page => (long)page);
        Assert.InRange(Expected(1200, order).Count, 1100, 1199);
    }

    [Theory]
    [InlineData(1, 1.1)]
    [InlineData(2, 1.1)]
    [InlineData(3, 1.1)]
    [InlineData(0, 3)]
    public void A_sparse_guest_takes_little_more_room_than_what_came_of_it(int step, double most)
    {
        if (!OperatingSystem.IsLinux()) return;
        const int Pages = 48 * LargePage;
        var random = new Random(4);
        var sent = Enumerable.Range(0, Pages)
            .Where(page => step > 0 ? page % step == 0 : random.Next(1000) < 640 && page % (3 * LargePage) < 2 * LargePage).ToList();
        var memory = new GuestMemory((long)Pages * GuestMemory.PageSize);
        try
        {
            var block = new ArrivingBlock(memory.Ram);
            var bytes = new byte[GuestMemory.PageSize];
            bytes.AsSpan().Fill(7);
            var next = 0;
            foreach (var page in sent)
            {
                // Zero pages between them take none.
                while (next < page) block.MarkReceived(next++);
                block.Arriving(memory, page);
                block.Store(page, bytes);
                next = page + 1;
            }
            Assert.InRange(ResidentMemory.Of(memory.Ram), sent.Count * (long)GuestMemory.PageSize, (long)(sent.Count * (long)GuestMemory.PageSize * most));
        }
        finally
        {
            memory.Release();
        }
    }

    static List<long> Expected(int largePages, IEnumerable<long> pages)
    {
        var host = new HintHost();
        var memory = new GuestMemory((long)largePages * GuestMemory.LargePageSize, host: host);
        var block = new ArrivingBlock(memory.Ram);
        foreach (var page in pages)
        {
            block.Arriving(memory, page);
            _ = memory.Ram.PageForWrite(page);
            block.MarkReceived(page);
        }
        memory.Release();
        return host.Hints;
    }

    // Nothing is written, so one address is as good as another.
    sealed class HintHost : IHostMemory
    {
        const long Base = 1L << 40;

        public List<long> Hints { get; } = [];

        public byte* Reserve(long length) => (byte*)Base;

        public void ExpectDense(byte* address, long length)
        {
            Assert.Equal(GuestMemory.LargePageSize, length);
            Hints.Add(((long)address - Base) / GuestMemory.LargePageSize);
        }

        public void Release(byte* address, long length)
        {
        }
    }
}
