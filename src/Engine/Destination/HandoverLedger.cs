using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// What became of each incoming migration, for sources that lost their link after RUN. A question about one that has not seen
/// RUN yet closes it: from then on it can't run here, so that the source may.
/// </summary>
static class HandoverLedger
{
    /// <summary>
    /// Migrations of which it is known what became of them, and their last words (<see cref="Postcopies"/>): a source asks within seconds, in postcopy
    /// within hours. So many newer ones mean that nobody asks any more.
    /// </summary>
    public const int Kept = 4096;

    static readonly Lock Lock = new();
    static readonly Dictionary<Guid, HandoverOutcome> Outcomes = [];
    static readonly Queue<Guid> Order = new();

    /// <summary>This process; an answer of another one at the same address says nothing.</summary>
    public static Guid Instance { get; } = Guid.NewGuid();

    /// <summary>A guest is loaded and waits for RUN.</summary>
    public static void Open(Guid migration)
    {
        lock (Lock)
        {
            if (!Outcomes.TryAdd(migration, HandoverOutcome.Open)) return;
            Order.Enqueue(migration);
            if (Order.Count > Kept) Outcomes.Remove(Order.Dequeue());
        }
    }

    /// <summary>
    /// RUN came: <paramref name="arrive"/> takes the guest in, and no question can come between. False when the guest was given
    /// up before; when <paramref name="arrive"/> throws, it is given up.
    /// </summary>
    public static bool TryRun(Guid migration, Action arrive)
    {
        lock (Lock)
        {
            if (Outcomes.GetValueOrDefault(migration) != HandoverOutcome.Open) return false;
            Outcomes[migration] = HandoverOutcome.Discarded;
            arrive();
            Outcomes[migration] = HandoverOutcome.Running;
            return true;
        }
    }

    /// <summary>The guest is given up, unless it runs.</summary>
    public static void Discard(Guid migration) => Ask(migration);

    /// <summary>What became of it; an open one is discarded by the question.</summary>
    public static HandoverOutcome Ask(Guid migration)
    {
        lock (Lock)
        {
            if (!Outcomes.TryGetValue(migration, out var outcome)) return HandoverOutcome.Unknown;
            if (outcome == HandoverOutcome.Open) Outcomes[migration] = outcome = HandoverOutcome.Discarded;
            return outcome;
        }
    }
}
