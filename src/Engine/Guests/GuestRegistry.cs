using System.Collections.Concurrent;
using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Guests;

/// <summary>The guests of this process: names are unique on each host. Shared by all runspaces.</summary>
public static class GuestRegistry
{
    /// <summary>The host that guests live on unless another is named.</summary>
    public const string DefaultHost = "local";

    static readonly ConcurrentDictionary<(string Host, string Name), Guest> Guests = new(HostAndName.Instance);

    /// <summary>All guests, by name and host.</summary>
    public static Guest[] All =>
        [.. Guests.Values.OrderBy(guest => guest.Name, StringComparer.OrdinalIgnoreCase).ThenBy(guest => guest.Host, StringComparer.Ordinal)];

    /// <summary>Makes, registers and starts a guest. Throws DuplicateGuestName and what <see cref="MemoryGuest.Create"/> throws.</summary>
    public static MemoryGuest Create(GuestOptions options)
    {
        options.Validate();
        CheckFree(options.Host, options.Name);
        var guest = MemoryGuest.Create(options);
        if (!Guests.TryAdd((guest.Host, guest.Name), guest))
        {
            guest.Remove();
            throw Duplicate(options.Host, options.Name);
        }
        if (!options.StartSuspended) guest.Resume();
        return guest;
    }

    /// <summary>The guest of that name on that host; null when there is none.</summary>
    public static Guest? Find(string host, string name) => Guests.GetValueOrDefault((host, name));

    /// <summary>Stops a guest, takes it out and gives its memory back. Throws GuestBusy.</summary>
    public static void Remove(Guest guest)
    {
        guest.Remove();
        TakeOut(guest);
    }

    /// <summary>Throws DuplicateGuestName unless the name is free on the host, or held by the guest that leaves with this migration.</summary>
    internal static void CheckFree(string host, string name, Guid? migration = null)
    {
        if (Find(host, name) is { } present && !(migration is { } id && present.MakesWayFor(id, isCommitted: false))) throw Duplicate(host, name);
    }

    /// <summary>Registers a guest that arrived; it takes the place of the one that it was until now.</summary>
    internal static void Arrive(Guest guest, Guid migration) => Arrive(Guests, guest, migration);

    /// <summary>Does what <see cref="Arrive(Guest, Guid)"/> does, with a registry that is empty and thrown away.</summary>
    internal static void RehearseArrival(Guest guest, Guid migration) => Arrive(new(HostAndName.Instance), guest, migration);

    static void Arrive(ConcurrentDictionary<(string Host, string Name), Guest> guests, Guest guest, Guid migration)
    {
        var key = (guest.Host, guest.Name);
        while (!guests.TryAdd(key, guest))
        {
            if (!guests.TryGetValue(key, out var present)) continue;
            if (!present.MakesWayFor(migration, isCommitted: true)) throw Duplicate(guest.Host, guest.Name);
            if (guests.TryUpdate(key, guest, present)) return;
        }
    }

    /// <summary>Registers a guest. Throws DuplicateGuestName unless it <paramref name="takesOver"/> from the one that has the name.</summary>
    internal static void Add(Guest guest, Func<Guest, bool> takesOver)
    {
        var key = (guest.Host, guest.Name);
        while (!Guests.TryAdd(key, guest))
        {
            if (!Guests.TryGetValue(key, out var present)) continue;
            if (!takesOver(present)) throw Duplicate(guest.Host, guest.Name);
            if (Guests.TryUpdate(key, guest, present)) return;
        }
    }

    /// <summary>Takes a guest out and leaves it as it is.</summary>
    internal static void TakeOut(Guest guest) => Guests.TryRemove(new((guest.Host, guest.Name), guest));

    /// <summary>
    /// A guest that was lost where it went has its name again, should it have gone to its own host: what is there can't go on and is removed,
    /// where this one can.
    /// </summary>
    internal static void TakePlaceBack(Guest guest)
    {
        if (Find(guest.Host, guest.Name) is { State: GuestState.Lost } present && present != guest && present.Uuid == guest.Uuid) Remove(present);
        Guests.TryAdd((guest.Host, guest.Name), guest);
    }

    static MigrationException Duplicate(string host, string name) => new(MigrationErrorId.DuplicateGuestName, MigrationSide.User,
        $"There is a guest {name} on host {host} already.");

    sealed class HostAndName : IEqualityComparer<(string Host, string Name)>
    {
        public static HostAndName Instance { get; } = new();

        public bool Equals((string Host, string Name) x, (string Host, string Name) y) =>
            StringComparer.OrdinalIgnoreCase.Equals(x.Host, y.Host) && StringComparer.OrdinalIgnoreCase.Equals(x.Name, y.Name);

        public int GetHashCode((string Host, string Name) key) =>
            HashCode.Combine(StringComparer.OrdinalIgnoreCase.GetHashCode(key.Host), StringComparer.OrdinalIgnoreCase.GetHashCode(key.Name));
    }
}
