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
    public static MigrationRun Send(MemoryGuest guest, MigrationUri uri, MigrationParameters asked)
    {
        var cpu = Environment.CpuUsage.TotalTime;
        var result = Wait(Start(guest, uri, asked with { KeepSource = true }));
        return new MigrationRun(result.TotalTime, result.TransferredBytes, Environment.CpuUsage.TotalTime - cpu, TimeSpan.Zero);
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

    static MigrationResult Wait(Migration migration)
    {
        if (!migration.Wait(Limit))
        {
            migration.Cancel();
            throw new BenchException($"our migration did not end in {Limit.TotalSeconds} s.");
        }
        var result = migration.Result!;
        return result.Error is { } error ? throw new BenchException($"our migration failed: {error.Message}") : result;
    }
}
