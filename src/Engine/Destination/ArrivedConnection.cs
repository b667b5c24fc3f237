using System.Diagnostics;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Destination;

/// <summary>An accepted connection; at first nothing is known of it but where it comes from.</summary>
sealed class ArrivedConnection(IConnection connection)
{
    readonly long _start = Stopwatch.GetTimestamp();
    bool _isSorted;
    bool _mayBePreempt;

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

    /// <summary>Since it was accepted.</summary>
    public TimeSpan Age => Stopwatch.GetElapsedTime(_start);

    static string HostOf(string peer) => peer.StartsWith("tcp:", StringComparison.Ordinal) ? peer[..peer.LastIndexOf(':')] : peer;
}
