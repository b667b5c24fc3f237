using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// Migrations of this process that a further connection of their source may join, whatever address it comes from and whichever receiver it
/// comes to: by their id, which nobody but the two ends knows. Of those that are over it keeps the last words, for a source that did not hear
/// them. Thread-safe.
/// </summary>
static class Postcopies
{
    /// <summary>
    /// Connections at one time that belong to one migration. A source has one for each purpose; of those that it has given up not all may have
    /// ended yet.
    /// </summary>
    public const int MostOfOne = 32;

    static readonly object Lock = new();
    static readonly Dictionary<Guid, int> Joined = [];
    static readonly Dictionary<Guid, IncomingMigration> UnderWay = [];
    static readonly Dictionary<Guid, ReturnPathMessage[]> Over = [];
    static readonly Queue<Guid> Order = new();

    /// <summary>It may go over before its memory. One that came before with the same id keeps it.</summary>
    public static void Enter(Guid id, IncomingMigration migration)
    {
        lock (Lock) UnderWay.TryAdd(id, migration);
    }

    /// <summary>Nobody can join it any more.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="migration">The migration.</param>
    /// <param name="lastWords">What its source was told at the end of a postcopy; empty when it came to none.</param>
    public static void Leave(Guid id, IncomingMigration migration, ReturnPathMessage[] lastWords)
    {
        lock (Lock)
        {
            if (UnderWay.GetValueOrDefault(id) != migration) return;
            UnderWay.Remove(id);
            Monitor.PulseAll(Lock);
            if (lastWords.Length == 0 || !Over.TryAdd(id, lastWords)) return;
            Order.Enqueue(id);
            if (Order.Count > HandoverLedger.Kept) Over.Remove(Order.Dequeue());
        }
    }

    /// <summary>One that is under way; or null.</summary>
    public static IncomingMigration? Find(Guid id)
    {
        lock (Lock) return UnderWay.GetValueOrDefault(id);
    }

    /// <summary>
    /// A connection has named one that is known, and is not cut to make room for others; false when as many as one source can need have. Where it is
    /// true <see cref="Part"/> has to follow.
    /// </summary>
    public static bool TryJoin(Guid id)
    {
        lock (Lock)
        {
            var count = Joined.GetValueOrDefault(id);
            if (count >= MostOfOne) return false;
            Joined[id] = count + 1;
            return true;
        }
    }

    /// <summary>That connection has ended.</summary>
    public static void Part(Guid id)
    {
        lock (Lock)
            if (--Joined[id] == 0) Joined.Remove(id);
    }

    /// <summary>Returns when it is under way no more, or after so long.</summary>
    public static void AwaitOver(Guid id, TimeSpan wait)
    {
        var deadline = new Deadline(wait);
        lock (Lock)
            while (UnderWay.ContainsKey(id) && !deadline.IsOver) Monitor.Wait(Lock, deadline.Left);
    }

    /// <summary>What the source of one that is over was told; empty when nothing is known.</summary>
    public static ReturnPathMessage[] LastWords(Guid id)
    {
        lock (Lock) return Over.GetValueOrDefault(id, []);
    }
}
