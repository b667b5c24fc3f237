using System.Diagnostics;
using PsMigrate.Bench.Report;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Questions;

/// <summary>
/// What a pass costs a large guest that writes nothing: the dirty log is read and its bitmap walked. One page, the last, is dirty each
/// time, so that the walk has to go the whole way.
/// </summary>
sealed class BitmapQuestion : IQuestion
{
    const long Size = 16L << 30;
    const int Times = 200;

    public string Name => "bitmap";

    public string Text => "bitmap sync and scan of a clean guest of 16 GiB, ms per GiB";

    public bool IsTarget => true;

    public IEnumerable<Row> Ask(int runs)
    {
        var guest = GuestRegistry.Create(new GuestOptions { Name = "bench-bitmap", MemorySize = Size, StartSuspended = true });
        var (near, far) = LocalLink.Create("bitmap");
        try
        {
            new Thread(() => Drain(far)) { IsBackground = true }.Start();
            var (saver, writer) = (new RamSaver(guest), new WireWriter(near.Output));
            saver.SaveSetup(writer);
            saver.SaveIterate(writer, long.MaxValue);
            while (saver.PendingEstimate > 0) saver.SaveIterate(writer, long.MaxValue);
            List<double> perGiB = [];
            Pass(guest, saver, writer);
            for (var round = 1; round <= runs; round++)
            {
                perGiB.Add(Enumerable.Range(0, Times).Select(_ => Pass(guest, saver, writer)).Order().ElementAt(Times / 2).TotalMilliseconds / (Size >> 30));
                Progress.Show(round, runs, ("µs per GiB", perGiB[^1] * 1000));
            }
            saver.Cleanup();
            return [Row.OfFigures("bitmap sync and scan of a clean 16 GiB guest", "ms per GiB", perGiB, 1.0) with { Line = 15 }];
        }
        finally
        {
            near.Dispose();
            far.Dispose();
            GuestRegistry.Remove(guest);
        }
    }

    static TimeSpan Pass(MemoryGuest guest, RamSaver saver, WireWriter writer)
    {
        guest.Memory.Ram.Wrote(guest.Memory.Ram.Pages - 1);
        var clock = Stopwatch.StartNew();
        saver.PendingExact();
        saver.SaveIterate(writer, long.MaxValue);
        var time = clock.Elapsed;
        return saver.PendingEstimate == 0 && saver.DirtyPagesFound == 1 ? time : throw new BenchException("the dirty page was not found.");
    }

    static void Drain(IConnection link)
    {
        var reader = new WireReader(link.Input, MigrationSide.Source);
        try
        {
            while (true) reader.Byte();
        }
        catch (MigrationException)
        {
            // The other end is done.
        }
    }
}
