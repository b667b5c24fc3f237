using System.Diagnostics;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine;

/// <summary>The outgoing migrations of this process, running and ended. Shared by all runspaces.</summary>
public static class MigrationRegistry
{
    // Ended migrations beyond this number are forgotten, oldest first.
    const int Kept = 1000;

    static readonly Lock Lock = new();
    static readonly List<Migration> Migrations = [];

    /// <summary>All that are known, oldest first.</summary>
    public static Migration[] All
    {
        get { lock (Lock) return [.. Migrations]; }
    }

    /// <summary>By its number; null when it is not known (any more).</summary>
    public static Migration? Find(int id) => All.FirstOrDefault(migration => migration.Id == id);

    // Cancelling takes moments; one in postcopy can't be cancelled and may still end.
    static readonly TimeSpan CancelTime = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Cancels what was started here and runs, and waits until every guest is where it belongs. A postcopy that is paused can't be cancelled,
    /// nor end by itself: it is not waited for, and stays as it is.
    /// </summary>
    public static void CancelAll()
    {
        var running = All.Where(migration => !migration.IsEnded && !migration.IsAdopted).ToList();
        foreach (var migration in running) migration.Cancel(wait: false);
        foreach (var migration in running)
            for (var clock = Stopwatch.StartNew(); clock.Elapsed < CancelTime && IsWorthWaitingFor(migration);)
                if (migration.Wait(TimeSpan.FromMilliseconds(100))) break;
    }

    /// <summary>Whether it will end without anybody's doing.</summary>
    internal static bool IsWorthWaitingFor(Migration migration) => !migration.IsEnded && migration.Status != MigrationStatus.PostcopyPaused;

    internal static Migration Add(Func<int, Migration> start)
    {
        // Claiming a guest may have to wait for it; nobody else has to wait meanwhile.
        var migration = start(RegistryIds.Next());
        lock (Lock)
        {
            Migrations.Add(migration);
            if (Migrations.Count > Kept && Migrations.Find(old => old.IsEnded) is { } oldest) Migrations.Remove(oldest);
            return migration;
        }
    }
}
