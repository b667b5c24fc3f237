using System.Diagnostics;
using PsMigrate.Engine.Guests;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// The guests that arrived in this process, by their migrations, for sources that ask what they write here: that is half a second after the end. Keeps
/// none alive. Thread-safe.
/// </summary>
static class ArrivedGuests
{
    /// <summary>Of how many the newest are known.</summary>
    public const int Kept = 256;

    // What was written in less says nothing.
    static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(50);

    static readonly Lock Lock = new();
    static readonly Dictionary<Guid, Arrived> Guests = [];
    static readonly Queue<Guid> Order = new();

    /// <summary>All of it is here.</summary>
    /// <param name="migration">By which it came.</param>
    /// <param name="guest">The guest.</param>
    /// <param name="byTls">Whether only those are told of it who come by TLS.</param>
    public static void Add(Guid migration, MemoryGuest guest, bool byTls)
    {
        var arrived = new Arrived(new WeakReference<MemoryGuest>(guest), byTls, guest.WrittenPages, Stopwatch.GetTimestamp());
        lock (Lock)
        {
            if (!Guests.TryAdd(migration, arrived)) return;
            Order.Enqueue(migration);
            if (Order.Count > Kept) Guests.Remove(Order.Dequeue());
        }
    }

    /// <summary>False for one that did not come, came long ago, or is none of whoever asks.</summary>
    /// <param name="migration">By which it came.</param>
    /// <param name="byTls">Whether whoever asks came by TLS.</param>
    /// <param name="rate">What it wrote since then, bytes/s; null where it does not run, or has not for long enough.</param>
    public static bool TryGetWriteRate(Guid migration, bool byTls, out double? rate)
    {
        rate = null;
        Arrived? arrived;
        lock (Lock)
            if (!Guests.TryGetValue(migration, out arrived)) return false;
        if ((arrived.ByTls && !byTls) || !arrived.Guest.TryGetTarget(out var guest)) return false;
        var time = Stopwatch.GetElapsedTime(arrived.Since);
        if (guest.State == GuestState.Running && time >= Shortest) rate = (guest.WrittenPages - arrived.Written) * GuestMemory.PageSize / time.TotalSeconds;
        return true;
    }

    sealed record Arrived(WeakReference<MemoryGuest> Guest, bool ByTls, long Written, long Since);
}
