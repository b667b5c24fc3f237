using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Tests.Support;

/// <summary>
/// Guests keep to their rate on a slow machine too, and links do not: a migration that a test wants to end is let end, however much the guest writes meanwhile.
/// </summary>
static class Converging
{
    /// <summary>Returns when so many passes have ended, and the migration may end with the next; or when it has ended.</summary>
    public static void LetEndAfter(this Migration migration, int passes)
    {
        Patience.Until(() => migration.IsEnded || migration.GetState().Current.Iteration > passes, $"pass {passes} to end, and it is {migration.Status}");
        try
        {
            migration.SetLimits(new MigrationLimits(MaxDowntime: TimeSpan.FromSeconds(1000)));
        }
        catch (MigrationException ended) when (ended.Id == MigrationErrorId.InvalidState)
        {
            // In this moment, or by itself.
        }
    }
}
