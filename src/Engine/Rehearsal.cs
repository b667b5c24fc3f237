using PsMigrate.Engine.Destination;
using PsMigrate.Engine.Guests;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Source;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine;

/// <summary>
/// A small guest that writes migrates inside this process, once, before the first real one switches over: what a switch-over needs at either
/// end is compiled and loaded then, and not while a guest stands still. It is in no registry, has no number, and leaves nothing behind.
/// </summary>
static class Rehearsal
{
    const string Name = "rehearsal";
    const long Size = 1 << 20;

    // Where no guest of a user is.
    static readonly string Host = $"{Name}-{Guid.NewGuid():N}";

    // For an answer of either end.
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    static readonly WarmUp Work = new("migration rehearsal", ThreadPriority.Normal, () => Perform());

    /// <summary>Once a process, in the background; returns at once.</summary>
    public static void Begin() => Work.Begin();

    /// <summary>Waits for its end, once at most for so long; called while the guest still runs.</summary>
    public static void Await() => Work.Await();

    /// <summary>Both ends through the same code as any other migration. Throws what they failed of.</summary>
    public static MigrationResult Perform()
    {
        var guest = MemoryGuest.Create(new GuestOptions
        {
            Name = Name, Host = Host, MemorySize = Size, Workload = GuestWorkload.Sequential, DirtyRate = 20 * Size,
        });
        IncomingMigration? incoming = null;
        try
        {
            guest.Resume();
            var (source, destination) = LocalLink.Create(Name);
            incoming = new IncomingMigration(destination, Policy());
            var outgoing = new OutgoingMigration(0, guest, Name, new MigrationParameters { AnswerTimeout = Limit }, _ => source);
            outgoing.Start();
            incoming.Run();
            outgoing.Wait(null);
            return outgoing.Result!;
        }
        finally
        {
            incoming?.Guest?.Remove();
            guest.Remove();
        }
    }

    static IncomingPolicy Policy() =>
        new(Host, new Admission(1, Size), ["*"], StartSuspended: false, Limit, Limit, Limit) { Arrive = GuestRegistry.RehearseArrival };
}
