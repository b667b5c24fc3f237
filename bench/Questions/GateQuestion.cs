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
    const int Word = 8, BlockName = 1 + 3, RunHead = Word + 4, LongestRun = 256;
    const int Setup = Word + BlockName + sizeof(long) + Word;

    public string Name => "gate";

    public string Text => "bytes on the wire for fixed inputs, and allocations per page: exact, for CI";

    public IEnumerable<Row> Ask(int runs)
    {
        foreach (var inRuns in new[] { false, true }) Check(inRuns);
        return [];
    }

    static void Check(bool inRuns)
    {
        Console.WriteLine($"  in {(inRuns ? "runs, as to an end of ours" : "records, as to a QEMU")}:");
        // The first one compiles; it also says whether the rest makes sense.
        Transfer(RandomPages, ZeroPages, inRuns);
        var small = Transfer(RandomPages, ZeroPages, inRuns);
        var large = Transfer(RandomPages * 4, ZeroPages * 4, inRuns);
        CheckBytes(RandomPages, ZeroPages, inRuns, small.Bytes);
        CheckBytes(RandomPages * 4, ZeroPages * 4, inRuns, large.Bytes);
        CheckAllocations("saver", small.SaverAllocated, large.SaverAllocated);
        CheckAllocations("loader", small.LoaderAllocated, large.LoaderAllocated);
    }

    static void CheckBytes(long randomPages, long zeroPages, bool inRuns, long bytes)
    {
        var expected = Setup + (inRuns ? BytesOfRuns(randomPages) : BytesOfRecords(randomPages, zeroPages)) + Word;
        Check(bytes == expected, $"{randomPages} random and {zeroPages} zero pages take {bytes} bytes on the wire; {expected} are expected");
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
    static long BytesOfRecords(long randomPages, long zeroPages) => BlockName + (randomPages * (Word + GuestMemory.PageSize)) + (zeroPages * (Word + 1));

    /// <summary>Ours: a word with flags and a count for each 256 pages, then these; one for all zeros.</summary>
    static long BytesOfRuns(long randomPages) =>
        BlockName + ((randomPages + LongestRun - 1) / LongestRun * RunHead) + (randomPages * GuestMemory.PageSize) + RunHead;

    static (long Bytes, long SaverAllocated, long LoaderAllocated) Transfer(long randomPages, long zeroPages, bool inRuns)
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
            var saver = new RamSaver(guest) { SendsRuns = inRuns };
            var writer = new WireWriter(near.Output);
            long saverAllocated = 0, loaderAllocated = 0;
            MigrationException? failure = null;
            var load = new Thread(() => failure = Load(far, arrived, inRuns, out loaderAllocated));
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

    static MigrationException? Load(IConnection link, GuestMemory memory, bool inRuns, out long allocated)
    {
        var reader = new WireReader(link.Input, MigrationSide.Source);
        var loader = new RamLoader(_ => memory) { AcceptsRuns = inRuns };
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
