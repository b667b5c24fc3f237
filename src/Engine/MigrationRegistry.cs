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

    /// <summary>Cancels what was started here and runs, and waits until every guest is where it belongs.</summary>
    public static void CancelAll()
    {
        var running = All.Where(migration => !migration.IsEnded && !migration.IsAdopted).ToList();
        foreach (var migration in running) migration.Cancel(wait: false);
        foreach (var migration in running) migration.Wait(TimeSpan.FromSeconds(10));
    }

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
