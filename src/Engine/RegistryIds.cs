namespace PsMigrate.Engine;

/// <summary>
/// One row of numbers for migrations and receivers: a receiver's number piped to a cmdlet for migrations finds nothing, instead of
/// somebody else's migration.
/// </summary>
static class RegistryIds
{
    static int _last;

    public static int Next() => Interlocked.Increment(ref _last);
}
