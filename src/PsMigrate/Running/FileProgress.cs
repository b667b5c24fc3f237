using System.Diagnostics;
using System.Management.Automation;
using PsMigrate.Commands;
using PsMigrate.Engine;

namespace PsMigrate.Running;

/// <summary>Waits for a guest that is being saved or restored, and shows how far it is, about five times a second.</summary>
static class FileProgress
{
    // Activities of migrations count from 20,000, those of arrivals from 30,000.
    const int Activity = 40_000;

    static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    /// <summary>False when the pipeline is being stopped first. What the operation came to is in the operation.</summary>
    public static bool Wait(Cmdlet cmdlet, GuestFileOperation operation, string what)
    {
        var clock = Stopwatch.StartNew();
        var isShown = false;
        while (!operation.Wait(EngineCmdlet.Tick))
        {
            if (cmdlet.Stopping) return false;
            if (clock.Elapsed < Interval) continue;
            clock.Restart();
            cmdlet.WriteProgress(Record(operation, what));
            isShown = true;
        }
        if (isShown) cmdlet.WriteProgress(new ProgressRecord(Activity, what, "done") { RecordType = ProgressRecordType.Completed });
        return true;
    }

    static ProgressRecord Record(GuestFileOperation operation, string what)
    {
        var (done, total) = (operation.DoneBytes, operation.TotalBytes);
        return new ProgressRecord(Activity, what, total > 0 ? $"{Figures.Size(done)} of {Figures.Size(total)}" : Figures.Size(done))
        {
            PercentComplete = total > 0 ? (int)Math.Clamp(100 * (double)done / total, 0, 100) : -1,
        };
    }
}
