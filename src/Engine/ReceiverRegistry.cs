namespace PsMigrate.Engine;

/// <summary>The receivers of this process that listen. Shared by all runspaces.</summary>
public static class ReceiverRegistry
{
    static readonly Lock Lock = new();
    static readonly List<MigrationReceiver> Receivers = [];

    /// <summary>All that listen, oldest first.</summary>
    public static MigrationReceiver[] All
    {
        get { lock (Lock) return [.. Receivers]; }
    }

    /// <summary>By its number; null when it is not known (any more).</summary>
    public static MigrationReceiver? Find(int id) => All.FirstOrDefault(receiver => receiver.Id == id);

    /// <summary>Stops all of them. Guests in postcopy are lost.</summary>
    public static void StopAll()
    {
        foreach (var receiver in All) receiver.Stop(force: true);
    }

    internal static MigrationReceiver Add(Func<int, MigrationReceiver> start)
    {
        // A name may take long to resolve; nobody else has to wait meanwhile.
        var receiver = start(RegistryIds.Next());
        lock (Lock) Receivers.Add(receiver);
        return receiver;
    }

    internal static void Remove(MigrationReceiver receiver)
    {
        lock (Lock) Receivers.Remove(receiver);
    }
}
