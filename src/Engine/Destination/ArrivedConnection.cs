using System.Diagnostics;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Destination;

/// <summary>An accepted connection; at first nothing is known of it but where it comes from.</summary>
sealed class ArrivedConnection(IConnection connection)
{
    readonly long _start = Stopwatch.GetTimestamp();
    bool _isSorted;
    bool _mayBePreempt;
    bool _isExpected;
    bool _isTaken;
    bool _isEvicted;
    IncomingMigration? _migration;

    public IConnection Connection => connection;

    /// <summary>
    /// The address it comes from, without the port; of a unix socket the path, for all that come there are of this machine. The
    /// connections of one migration have it in common.
    /// </summary>
    public string Host { get; } = HostOf(connection.Peer);

    /// <summary>
    /// Whether both may be of one migration: they come from the same address, and by TLS from the same subject. To be asked when both have
    /// been greeted; one that has not is nobody's yet.
    /// </summary>
    public bool IsOfSameSource(ArrivedConnection other) => Host == other.Host && Subject == other.Subject;

    string? Subject => (connection as TlsConnection)?.Subject;

    /// <summary>Whether it is known what it is for.</summary>
    public bool IsSorted
    {
        get => Volatile.Read(ref _isSorted);
        set => Volatile.Write(ref _isSorted, value);
    }

    /// <summary>
    /// Whether a migration from the same address was advised of postcopy in its time: then it may be a preempt channel that had nothing
    /// to say.
    /// </summary>
    public bool MayBePreempt
    {
        get => Volatile.Read(ref _mayBePreempt);
        set => Volatile.Write(ref _mayBePreempt, value);
    }

    /// <summary>The migration whose main stream it is, or began as; null until it is known to be one.</summary>
    public IncomingMigration? Migration
    {
        get => Volatile.Read(ref _migration);
        set => Volatile.Write(ref _migration, value);
    }

    /// <summary>Whether it is a multifd channel whose main stream seems to be here.</summary>
    public bool IsExpected
    {
        get => Volatile.Read(ref _isExpected);
        set => Volatile.Write(ref _isExpected, value);
    }

    /// <summary>Whether it belongs to a migration, which looks after it.</summary>
    public bool IsTaken
    {
        get => Volatile.Read(ref _isTaken);
        set => Volatile.Write(ref _isTaken, value);
    }

    /// <summary>Whether it had to make room for others.</summary>
    public bool IsEvicted
    {
        get => Volatile.Read(ref _isEvicted);
        set => Volatile.Write(ref _isEvicted, value);
    }

    /// <summary>Cuts it, to make room for others.</summary>
    public void Leave()
    {
        if (Migration is { } migration) migration.Evict(Newcomers.Evicted(this));
        else connection.Abort();
    }

    /// <summary>When it was accepted, in ticks of the stopwatch; the oldest has the least.</summary>
    public long Start => _start;

    /// <summary>Since it was accepted.</summary>
    public TimeSpan Age => Stopwatch.GetElapsedTime(_start);

    static string HostOf(string peer) => peer.StartsWith("tcp:", StringComparison.Ordinal) ? peer[..peer.LastIndexOf(':')] : peer;
}
