using PsMigrate.Engine;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Bench.Peers;

/// <summary>Our engine in this process, as the source.</summary>
static class OurSide
{
    // Nothing here takes minutes; whatever does, hangs.
    static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    /// <summary>Migrates a guest, which stays here as a copy. What the destination needed of the processor is not in the answer.</summary>
    public static MigrationRun Send(MemoryGuest guest, MigrationUri uri, MigrationParameters asked) =>
        TrySend(guest, uri, asked, Limit) ?? throw new BenchException($"our migration did not end in {Limit.TotalSeconds} s.");

    /// <summary>The same; null when it had not ended by the limit, and was cancelled.</summary>
    public static MigrationRun? TrySend(MemoryGuest guest, MigrationUri uri, MigrationParameters asked, TimeSpan limit)
    {
        var cpu = Environment.CpuUsage.TotalTime;
        var migration = Start(guest, uri, asked with { KeepSource = true });
        if (!migration.Wait(limit)) migration.Cancel();
        var result = migration.Result!;
        if (result.State == MigrationStatus.Cancelled) return null;
        if (result.Error is { } error) throw new BenchException($"our migration failed: {error.Message}");
        return new MigrationRun(result.TotalTime, result.Downtime, result.TransferredBytes, Environment.CpuUsage.TotalTime - cpu, TimeSpan.Zero);
    }

    static Migration Start(MemoryGuest guest, MigrationUri uri, MigrationParameters asked)
    {
        try
        {
            return Migration.Start(guest, uri, asked);
        }
        catch (MigrationException e) when (e.Id is MigrationErrorId.UnsupportedByGuest or MigrationErrorId.InvalidParameter)
        {
            throw new BenchException($"not supported: {e.Message}", isSkip: true);
        }
    }
}
