using System.Management.Automation;
using PsMigrate.Engine;
using PsMigrate.Engine.Model;
using PsMigrate.Jobs;

namespace PsMigrate.Commands;

/// <summary>Migrations by number and by the name of their guest.</summary>
static class MigrationLookup
{
    /// <summary>The migrations with these numbers; an unknown number goes to <paramref name="missing"/>.</summary>
    public static IEnumerable<Migration> ById(IEnumerable<int> ids, Action<MigrationException, object> missing)
    {
        foreach (var id in ids)
        {
            if (MigrationRegistry.Find(id) is { } migration) yield return migration;
            else missing(NotFound($"There is no migration {id}."), id);
        }
    }

    /// <summary>All migrations of the guests with these names, which may hold wildcards; the latest last.</summary>
    public static IReadOnlyList<Migration> AllByName(IEnumerable<string> names, Action<MigrationException, object> missing) =>
        Find(names, missing, (matches, _) => matches);

    /// <summary>
    /// The migrations that a command about running ones means: those that run. A plain name of which none runs means the latest that
    /// ended, so that the command can tell what became of it; a pattern never reaches back.
    /// </summary>
    public static IReadOnlyList<Migration> RunningByName(IEnumerable<string> names, Action<MigrationException, object> missing) =>
        Find(names, missing, (matches, isPattern) =>
        {
            var running = matches.FindAll(migration => !migration.IsEnded);
            return running.Count > 0 || isPattern || matches.Count == 0 ? running : [matches[^1]];
        });

    /// <summary>The migrations that these jobs have begun; a job of another kind goes to <paramref name="missing"/>.</summary>
    public static IEnumerable<Migration> ByJob(IEnumerable<Job> jobs, Action<MigrationException, object> missing)
    {
        foreach (var job in jobs)
        {
            if (job is not MigrationJob)
                missing(NotFound($"Job {job.Id} '{job.Name}' is no migration; Start-VmMigration -AsJob makes those that are."), job);
            else
                foreach (var migration in ((MigrationJob)job).Migrations) yield return migration;
        }
    }

    static List<Migration> Find(
        IEnumerable<string> names, Action<MigrationException, object> missing, Func<List<Migration>, bool, List<Migration>> choose)
    {
        var found = new List<Migration>();
        foreach (var name in names)
        {
            var pattern = new WildcardPattern(name, WildcardOptions.IgnoreCase | WildcardOptions.CultureInvariant);
            var isPattern = WildcardPattern.ContainsWildcardCharacters(name);
            var matches = MigrationRegistry.All.Where(migration => pattern.IsMatch(migration.Name)).ToList();
            if (matches.Count == 0 && !isPattern) missing(NotFound($"No migration of a guest '{name}' is known."), name);
            found.AddRange(choose(matches, isPattern).Except(found));
        }
        return found;
    }

    static MigrationException NotFound(string message) => new(MigrationErrorId.MigrationNotFound, MigrationSide.User, message);
}
