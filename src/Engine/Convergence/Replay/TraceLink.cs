using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Convergence;

/// <summary>What a trace shows of the link and of what pages take on it. Pure.</summary>
static class TraceLink
{
    // Less goes into buffers, and says nothing of the link.
    const long FewestBytes = 1 << 20;

    // Fewer final pages say nothing of how fast those go.
    const long FewestFinal = 512;

    // Where nobody told how long it is there and back.
    const double PlainRoundTrip = 0.0005;

    /// <summary>
    /// What it carries, bytes/s: while pages were sent, which under a limit they are only for a part of each window. 0 where nothing shows it.
    /// </summary>
    public static double Bandwidth(MigrationTrace trace)
    {
        var most = Math.Max(trace.Passes.Select(pass => pass.Bandwidth).DefaultIfEmpty(0).Max(), Final(trace));
        // A QEMU does not tell for how long it sent: no less than this it carried.
        if (trace.Source == TraceSource.Qemu) return Math.Max(most, trace.Passes.Where(pass => pass.Bytes >= FewestBytes).Select(Whole).DefaultIfEmpty(0).Max());
        var plain = trace.Passes.Where(pass => pass.Busy > TimeSpan.Zero && pass.SparsePages + pass.XbzrlePages <= pass.NormalPages).ToArray();
        var bytes = plain.Sum(pass => (double)pass.Bytes);
        // Zero pages are looked at, and take no room.
        var busy = plain.Sum(pass => pass.Busy.TotalSeconds - (pass.ZeroPages * (double)MigrationTrace.PageSize / SenderModel.Ours.ZeroPages));
        return bytes < FewestBytes || busy <= 0 ? most : Math.Max(most, bytes / busy);
    }

    static double Whole(TracePass pass) => pass.Duration > TimeSpan.Zero ? Math.Min(pass.Bytes / pass.Duration.TotalSeconds, TraceFields.Most) : 0;

    /// <summary>Whether what it carried may have been as much as the limit allowed, and nothing shows more.</summary>
    public static bool IsUnknownBeyondLimit(MigrationTrace trace) => trace.Source == TraceSource.Qemu && trace.Passes.Any(pass => pass.MaxBandwidth > 0);

    /// <summary>Of the last pages, which no limit holds. Which those were a QEMU does not tell.</summary>
    static double Final(MigrationTrace trace) => trace is { Source: TraceSource.Memory } && trace.Outcome is { State: MigrationStatus.Completed, WentOver: false, FinalPages: >= FewestFinal, Downtime.Ticks: > 0 } outcome
        ? outcome.FinalPages * MigrationTrace.PageSize / outcome.Downtime.TotalSeconds : 0;

    /// <summary>What pages take, by what they took.</summary>
    public static WireShares Shares(MigrationTrace trace)
    {
        if (trace.Passes is not [var first, .. var later]) return WireShares.Whole;
        var untouched = (trace.TotalBytes / MigrationTrace.PageSize) - trace.UsedPages.Sum();
        var zeros = Math.Max(0, first.ZeroPages - untouched);
        var zero = trace.UsedPages.Sum() is > 0 and var used ? Math.Min(1, (double)zeros / used) : 0;
        var differences = later.Where(pass => pass.UsesDifferences).ToArray();
        return new WireShares(zero, Share([first]) ?? 1, Share(differences) ?? 1) { Rewritten = Share([.. later.Where(pass => !pass.UsesDifferences)]) };
    }

    /// <summary>Whether pages went as differences, so that it is known what those take.</summary>
    public static DifferencesUse Differences(MigrationTrace trace) =>
        !trace.Passes.Any(pass => pass.UsesDifferences && pass.XbzrlePages > 0) ? DifferencesUse.Never
        : trace.Parameters.Xbzrle ? DifferencesUse.Asked
        : DifferencesUse.Adaptive;

    /// <summary>Who sent, with the downtime that there was.</summary>
    public static SenderModel Sender(MigrationTrace trace)
    {
        var plain = trace.Source == TraceSource.Qemu ? SenderModel.Qemu : SenderModel.Ours;
        // Headers are in what pages took.
        plain = plain with { Setup = Math.Min(trace.SetupTime.TotalSeconds, 60), PageHeader = 0, ZeroRecord = 0 };
        var outcome = trace.Outcome;
        if (trace.Source == TraceSource.Qemu || outcome is not { State: MigrationStatus.Completed, WentOver: false, Downtime.Ticks: > 0 }) return plain;
        var stood = outcome.Downtime.TotalSeconds;
        if (outcome.FinalPages < FewestFinal) return plain with { Overhead = Math.Min(stood, plain.MostOverhead) };
        var speed = BurstSpeed.Exactly(outcome.FinalPages * MigrationTrace.PageSize / Math.Max(stood - plain.Overhead, stood / 2));
        return plain with { Scattered = speed, Together = speed, New = speed, Unmapped = speed };
    }

    /// <summary>Seconds there and back.</summary>
    public static double RoundTrip(MigrationTrace trace) => trace.RoundTrip > TimeSpan.Zero ? trace.RoundTrip.TotalSeconds : PlainRoundTrip;

    /// <summary>Of pages with content, what they took by their size; null where there were too few to say.</summary>
    static double? Share(TracePass[] passes)
    {
        var pages = passes.Sum(pass => (double)pass.NormalPages + pass.SparsePages + pass.XbzrlePages);
        // Headers make it a little more than 1.
        return pages * MigrationTrace.PageSize < FewestBytes ? null : Math.Clamp(passes.Sum(pass => (double)pass.Bytes) / (pages * MigrationTrace.PageSize), 0.0001, 1.1);
    }
}
