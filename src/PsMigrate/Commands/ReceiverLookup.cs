using PsMigrate.Engine;
using PsMigrate.Engine.Model;

namespace PsMigrate.Commands;

/// <summary>Receivers by number.</summary>
static class ReceiverLookup
{
    /// <summary>The receivers with these numbers; an unknown number goes to <paramref name="missing"/>.</summary>
    public static IEnumerable<MigrationReceiver> ById(IEnumerable<int> ids, Action<MigrationException, object> missing)
    {
        foreach (var id in ids)
        {
            if (ReceiverRegistry.Find(id) is { } receiver) yield return receiver;
            else missing(new MigrationException(MigrationErrorId.ReceiverNotFound, MigrationSide.User, $"There is no receiver {id}."), id);
        }
    }
}
