using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Tests.Support;

namespace PsMigrate.Engine.Tests.Ram;

/// <summary>
/// Four times the pages allocate no more than a constant: nothing is allocated per page, at either end. The links have a test
/// of their own, so that this one is the same in every run.
/// </summary>
public sealed class PagePathAllocationTests
{
    const long Pages = 1024;

    // 3,072 more pages are 400 bytes of each bitmap, and the runtime counts in blocks of 8 KiB when a collection comes between. The
    // smallest object for each page would be 72 KiB.
    const long Bookkeeping = 20 << 10;

    [Theory]
    [InlineData(GuestContent.Random, false)]
    [InlineData(GuestContent.Text, false)]
    [InlineData(GuestContent.Zero, false)]
    [InlineData(GuestContent.Mixed, false)]
    [InlineData(GuestContent.Random, true)]
    [InlineData(GuestContent.Zero, true)]
    [InlineData(GuestContent.Mixed, true)]
    public void Pages_are_sent_and_loaded_without_garbage(GuestContent content, bool inRuns)
    {
        _ = Transfer(content, 256, inRuns);
        var few = Transfer(content, Pages, inRuns);
        var many = Transfer(content, 4 * Pages, inRuns);
        Assert.InRange(many.Sent - few.Sent, -Bookkeeping, Bookkeeping);
        Assert.InRange(many.Loaded - few.Loaded, -Bookkeeping, Bookkeeping);
    }

    [Fact]
    public void Differences_are_made_without_garbage()
    {
        _ = Differences(256);
        Assert.InRange(Differences(4 * Pages) - Differences(Pages), -Bookkeeping, Bookkeeping);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Pages_are_asked_for_and_sent_without_garbage(bool inRuns, bool preempt)
    {
        _ = Postcopy(256, inRuns, preempt);
        Assert.InRange(Postcopy(4 * Pages, inRuns, preempt) - Postcopy(Pages, inRuns, preempt), -Bookkeeping, Bookkeeping);
    }

    /// <summary>What a postcopy of all pages allocates, every second of which is asked for.</summary>
    static long Postcopy(long pages, bool inRuns, bool preempt)
    {
        var guest = MemoryGuest.Create(TestGuests.Options(GuestWorkload.Idle, pages * GuestMemory.PageSize) with { Content = GuestContent.Mixed, ContentSize = 0 });
        var forgotten = new BytesWriter(keep: false);
        _ = forgotten.GetSpan(16384);
        var writer = new WireWriter(forgotten);
        var saver = new RamSaver(guest) { SendsRuns = inRuns };
        saver.SaveSetup(writer);
        if (preempt) saver.Preempt = new WireWriter(forgotten);
        var allocated = Measure(() =>
        {
            saver.BeginPostcopy(writer);
            for (ulong page = 0; saver.PendingEstimate > 0; page += 2)
            {
                if (page < (ulong)pages) saver.Requests.Add("ram", page * GuestMemory.PageSize, GuestMemory.PageSize);
                saver.SavePostcopy(writer, page % 8 == 0 ? GuestMemory.PageSize : 0);
            }
            saver.SavePostcopyEnd(writer);
        });
        Assert.InRange(saver.RequestedPages, pages / 4, pages / 2);
        saver.Cleanup();
        guest.Remove();
        return allocated;
    }

    /// <summary>What three passes over all pages allocate behind the first: whole, as differences, and unchanged.</summary>
    static long Differences(long pages)
    {
        var guest = MemoryGuest.Create(TestGuests.Options(GuestWorkload.Idle, pages * GuestMemory.PageSize) with { Content = GuestContent.Random, ContentSize = 0 });
        var forgotten = new BytesWriter(keep: false);
        _ = forgotten.GetSpan(16384);
        var saver = new RamSaver(guest, xbzrleCacheSize: MigrationParameters.DefaultXbzrleCacheSize);
        var writer = new WireWriter(forgotten);
        saver.SaveSetup(writer);
        while (saver.PendingEstimate > 0) saver.SaveIterate(writer, 1 << 20);
        var allocated = Measure(() =>
        {
            for (byte pass = 0; pass < 3; pass++)
            {
                for (long page = 0; page < pages; page++) Touch(guest.Memory.Ram, page, Math.Min(pass, (byte)1));
                saver.PendingExact();
                while (saver.PendingEstimate > 0) saver.SaveIterate(writer, 1 << 20);
            }
        });
        Assert.Equal((2 * pages, pages), (saver.Xbzrle!.Pages, saver.Xbzrle.CacheMiss));
        saver.Cleanup();
        guest.Remove();
        return allocated;
    }

    static unsafe void Touch(RamBlock block, long page, byte value)
    {
        block.PageForWrite(page)[100] = value;
        block.Wrote(page);
    }

    static (long Sent, long Loaded) Transfer(GuestContent content, long pages, bool inRuns)
    {
        var guest = MemoryGuest.Create(TestGuests.Options(GuestWorkload.Idle, pages * GuestMemory.PageSize) with { Content = content, ContentSize = 0 });
        var arrived = new GuestMemory(guest.MemorySize);
        var kept = new BytesWriter();
        Save(guest, kept, inRuns);
        var forgotten = new BytesWriter(keep: false);
        _ = forgotten.GetSpan(8192);
        var sent = Measure(() => Save(guest, forgotten, inRuns));
        var loaded = Measure(Loader(kept.Written, arrived, inRuns));
        Assert.Equal(RamDigest.Compute(guest.Memory), RamDigest.Compute(arrived));
        guest.Remove();
        arrived.Release();
        return (sent, loaded);
    }

    static long Measure(Action action)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        action();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    static void Save(MemoryGuest guest, BytesWriter to, bool inRuns)
    {
        var saver = new RamSaver(guest) { SendsRuns = inRuns };
        var writer = new WireWriter(to);
        saver.SaveSetup(writer);
        // In parts of a fixed size, as a limited bandwidth has it.
        while (saver.PendingEstimate > 0) saver.SaveIterate(writer, 1 << 20);
        saver.SaveComplete(writer);
        writer.Flush();
        saver.Cleanup();
        Assert.Equal(guest.Memory.Ram.Pages, saver.NormalPages + saver.ZeroPages);
    }

    static Action Loader(byte[] stream, GuestMemory memory, bool inRuns)
    {
        var reader = new WireReader(new BytesReader(stream, 1 << 20), MigrationSide.Source);
        var loader = new RamLoader(_ => memory) { AcceptsRuns = inRuns };
        return () =>
        {
            while (!reader.IsAtEnd()) loader.ReadBody(reader);
        };
    }
}
