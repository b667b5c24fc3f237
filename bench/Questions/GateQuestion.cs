using PsMigrate.Bench.Report;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Questions;

/// <summary>
/// What must hold to the byte on any machine, however loaded: bytes on the wire for a fixed memory, and no allocation per page.
/// No peers, no clock; it fails the build that breaks it.
/// </summary>
sealed class GateQuestion : IQuestion
{
    const long RandomPages = 20_000;
    const long ZeroPages = 12_768;

    public string Name => "gate";

    public string Text => "bytes on the wire for fixed inputs, and allocations per page: exact, for CI";

    public IEnumerable<Row> Ask(int runs)
    {
        // The first one compiles; it also says whether the rest makes sense.
        Transfer(RandomPages, ZeroPages);
        var small = Transfer(RandomPages, ZeroPages);
        var large = Transfer(RandomPages * 4, ZeroPages * 4);
        var expected = ExpectedBytes(RandomPages, ZeroPages);
        Check(small.Bytes == expected, $"{RandomPages} random and {ZeroPages} zero pages take {small.Bytes} bytes on the wire; {expected} are expected");
        var expectedLarge = ExpectedBytes(RandomPages * 4, ZeroPages * 4);
        Check(large.Bytes == expectedLarge, $"{RandomPages * 4} random and {ZeroPages * 4} zero pages take {large.Bytes} bytes on the wire; {expectedLarge} are expected");
        CheckAllocations("saver", small.SaverAllocated, large.SaverAllocated);
        CheckAllocations("loader", small.LoaderAllocated, large.LoaderAllocated);
        return [];
    }

    static void CheckAllocations(string side, long small, long large)
    {
        const long MorePages = 3 * (RandomPages + ZeroPages);
        var perPage = (large - small) / (double)MorePages;
        Check(perPage < 0.05, FormattableString.Invariant(
            $"the {side} allocates {small} bytes (its buffers) for {RandomPages + ZeroPages} pages and {large} for four times as many: {perPage:0.000} a page"));
    }

    static void Check(bool holds, string what)
    {
        Console.WriteLine($"  {(holds ? "ok  " : "FAIL")}  {what}");
        if (!holds) throw new BenchException("the gate failed.");
    }

    /// <summary>QEMU's records: a word with flags, then the page or a fill byte; the first record names the block.</summary>
    static long ExpectedBytes(long randomPages, long zeroPages)
    {
        const int Word = 8, Name = 1 + 3;
        var setup = Word + Name + sizeof(long) + Word;
        return setup + Name + (randomPages * (Word + GuestMemory.PageSize)) + (zeroPages * (Word + 1)) + Word;
    }

    static (long Bytes, long SaverAllocated, long LoaderAllocated) Transfer(long randomPages, long zeroPages)
    {
        var guest = GuestRegistry.Create(new GuestOptions
        {
            Name = "bench-gate", MemorySize = (randomPages + zeroPages) * GuestMemory.PageSize, Content = GuestContent.Random,
            ContentSize = randomPages * GuestMemory.PageSize, StartSuspended = true,
        });
        var arrived = new GuestMemory(guest.MemorySize);
        var (near, far) = LocalLink.Create("gate");
        try
        {
            var saver = new RamSaver(guest);
            var writer = new WireWriter(near.Output);
            long saverAllocated = 0, loaderAllocated = 0;
            MigrationException? failure = null;
            var load = new Thread(() => failure = Load(far, arrived, out loaderAllocated));
            load.Start();
            saver.SaveSetup(writer);
            // From here on: the setup allocates the dirty log, one bit a page.
            var before = GC.GetAllocatedBytesForCurrentThread();
            saver.SaveComplete(writer);
            writer.Flush();
            saverAllocated = GC.GetAllocatedBytesForCurrentThread() - before;
            load.Join();
            saver.Cleanup();
            if (failure is not null) throw new BenchException($"the gate's memory did not arrive: {failure.Message}");
            if (RamDigest.Compute(arrived) != guest.Digest()) throw new BenchException("the gate's memory arrived changed.");
            return (writer.Position, saverAllocated, loaderAllocated);
        }
        finally
        {
            near.Dispose();
            far.Dispose();
            arrived.Release();
            GuestRegistry.Remove(guest);
        }
    }

    static MigrationException? Load(IConnection link, GuestMemory memory, out long allocated)
    {
        var reader = new WireReader(link.Input, MigrationSide.Source);
        var loader = new RamLoader(_ => memory);
        var before = 0L;
        try
        {
            // The bodies of START, which allocates the bitmap of what has come, one bit a page, and of END.
            loader.ReadBody(reader);
            before = GC.GetAllocatedBytesForCurrentThread();
            loader.ReadBody(reader);
            return null;
        }
        catch (MigrationException e)
        {
            link.Abort();
            return e;
        }
        finally
        {
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }
}
