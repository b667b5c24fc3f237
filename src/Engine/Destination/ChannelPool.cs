using System.Diagnostics;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// Multifd channels that wait for their migration. A channel belongs to the migration that comes from the same address and whose id it says
/// (<see cref="Handshake"/>). One that says none belongs to a migration that tells none and, where the main stream tells a uuid (capability
/// validate-uuid), has its uuid. Where two migrations could own it they are refused: a guess would
/// mix the memory of two guests. Thread-safe.
/// <para>
/// What an attempt that failed left behind must not stand in the way of the next one. A source connects its main stream first: of channels that say no
/// id one that came before that is dropped when it was closed with nothing to read, and gives way to one of the same number and guest that came behind. One that came
/// behind it and was closed may be its own: without it pages would be missed, so it ends the migration.
/// </para>
/// </summary>
/// <param name="limit">How long a channel waits for a migration, and a migration that must have channels for them.</param>
/// <param name="isComing">Whether a connection from that address is there that has not been sorted yet.</param>
sealed class ChannelPool(TimeSpan limit, Func<string, bool> isComing)
{
    /// <summary>How long a source is given to connect one more channel after the last one.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(100);

    // No longer than this a migration of which nothing says that it has channels waits for connections that may be some, and one that
    // has some for another migration to be out of the way.
    static readonly TimeSpan MostGrace = TimeSpan.FromSeconds(1);

    // What is coming and the grace are looked at so often.
    static readonly TimeSpan Period = TimeSpan.FromMilliseconds(10);

    // Whether a channel that waits was closed is looked at so often.
    static readonly TimeSpan MostWait = TimeSpan.FromMilliseconds(250);

    readonly object _lock = new();
    readonly List<MultifdChannels> _migrations = [];
    readonly List<WaitingChannel> _waiting = [];
    bool _isClosed;

    /// <summary>A main stream has come.</summary>
    public void Join(MultifdChannels migration)
    {
        lock (_lock)
        {
            _migrations.Add(migration);
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>A main stream has told its guest's uuid, or that there is none, and the id that its channels say, if they do.</summary>
    public void Tell(MultifdChannels migration, Guid? uuid, Guid? id)
    {
        lock (_lock) (migration.Uuid, migration.Migration) = (uuid, id);
    }

    /// <summary>
    /// A migration is over. When it failed, channels that it had not taken yet are of no use to any other. One that says an id that was not told may
    /// be the next attempt's.
    /// </summary>
    public void Leave(MultifdChannels migration, bool hasFailed)
    {
        lock (_lock)
        {
            if (hasFailed)
                foreach (var channel in ClaimedBy(migration))
                    if (channel.Init.Migration == migration.Migration) channel.IsOrphaned = true;
            migration.Admission = ChannelAdmission.Closed;
            _migrations.Remove(migration);
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Something happened that who waits here may want to know.</summary>
    public void Wake()
    {
        lock (_lock) Monitor.PulseAll(_lock);
    }

    /// <summary>
    /// Waits with a channel until its migration takes it; false when that one has failed meanwhile, or the channel had to leave or was closed. Throws PeerSilent when no
    /// migration comes, DestinationRefused when it comes late and more than one could own it.
    /// </summary>
    public bool Await(WaitingChannel channel)
    {
        lock (_lock)
        {
            if (TakeLate(channel)) return true;
            _waiting.Add(channel);
            Monitor.PulseAll(_lock);
            try
            {
                for (var clock = Stopwatch.StartNew(); channel.Owner is null && !channel.IsOrphaned; Monitor.Wait(_lock, limit / 4 < MostWait ? limit / 4 : MostWait))
                {
                    if (_isClosed || channel.Arrived.IsEvicted) return false;
                    channel.Arrived.IsExpected = Candidates(channel).Length > 0;
                    // How many say an id is told: none is missed unseen.
                    if (!channel.Arrived.IsExpected && channel.Init.Migration is not null && channel.HasLeft()) return false;
                    if (channel.Arrived.IsExpected) clock.Restart();
                    if (clock.Elapsed > limit)
                        throw new MigrationException(MigrationErrorId.PeerSilent, MigrationSide.Source, $"A multifd channel came, and within {limit.TotalSeconds:0.##} s no migration that it belongs to.");
                }
                return channel.Owner is not null;
            }
            finally
            {
                _waiting.Remove(channel);
            }
        }
    }

    /// <summary>
    /// The main stream is at its first mark: waits until its channels seem to be all, and takes them. Throws DestinationRefused when
    /// they can't be told from those of another migration or are too many, PeerSilent when some are missing.
    /// </summary>
    /// <param name="migration">Whose main stream it is.</param>
    /// <param name="isSure">Whether it is known to have channels.</param>
    public void Settle(MultifdChannels migration, bool isSure)
    {
        lock (_lock)
        {
            migration.Admission = ChannelAdmission.Settling;
            var (clock, sinceLast, count) = (Stopwatch.StartNew(), Stopwatch.StartNew(), 0);
            for (; ; Monitor.Wait(_lock, Period))
            {
                if (migration.Error is { } error) throw error;
                DropClosed(migration);
                var waiting = WaitingFor(migration);
                if (waiting.Length > count) sinceLast.Restart();
                count = waiting.Length;
                var isMust = isSure || migration.Expected > 0 || count > 0;
                var isClear = IsClear(waiting);
                var isComplete = isClear && IsComplete(migration, waiting, isSure);
                var isOver = clock.Elapsed > (isMust && isClear ? limit : MostGrace);
                if (isComplete && (isOver || migration.IsAnnounced || !IsMoreLikely(migration, count, sinceLast)))
                {
                    foreach (var stale in ReplacedFor(migration)) stale.IsOrphaned = true;
                    foreach (var channel in waiting) migration.Take(channel);
                    migration.Admission = ChannelAdmission.Open;
                    Monitor.PulseAll(_lock);
                    return;
                }
                if (isOver) throw isClear ? Missing(migration, count) : Ambiguous();
            }
        }
    }

    /// <summary>The main stream is at its second mark: who has not come by now comes too late.</summary>
    public void Close(MultifdChannels migration)
    {
        lock (_lock) migration.Admission = ChannelAdmission.Closed;
    }

    /// <summary>The receiver stops: nobody waits any more.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _isClosed = true;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>A channel that comes after the first mark of its migration. Throws DestinationRefused.</summary>
    bool TakeLate(WaitingChannel channel)
    {
        var candidates = Candidates(channel);
        if (!Array.Exists(candidates, migration => migration.Admission == ChannelAdmission.Open)) return false;
        if (candidates.Length > 1) throw Ambiguous();
        if (IsLeftBehind(candidates[0], channel)) return false;
        candidates[0].Take(channel);
        if (candidates[0].Expected > 0) candidates[0].Fail(TooMany(candidates[0]));
        return true;
    }

    // Another one may be the older migration's, which has to see that it was closed.
    void DropClosed(MultifdChannels migration)
    {
        foreach (var channel in ClaimedBy(migration))
            if (Candidates(channel).Length == 1 && IsLeftBehind(migration, channel)) channel.IsOrphaned = true;
    }

    static bool IsLeftBehind(MultifdChannels migration, WaitingChannel channel) =>
        channel.Init.Migration is null && migration.IsOlder(channel.Arrived) && channel.HasLeft();

    WaitingChannel[] WaitingFor(MultifdChannels migration) => [.. ClaimedBy(migration).Except(ReplacedFor(migration))];

    /// <summary>Those that give way to one with the same number.</summary>
    WaitingChannel[] ReplacedFor(MultifdChannels migration)
    {
        var claimed = ClaimedBy(migration);
        return Array.FindAll(claimed, older => older.Init.Migration is null && migration.IsOlder(older.Arrived)
            && Array.Exists(claimed, newer => newer.Init == older.Init && !migration.IsOlder(newer.Arrived)));
    }

    WaitingChannel[] ClaimedBy(MultifdChannels migration) =>
        [.. _waiting.Where(channel => channel is { Owner: null, IsOrphaned: false } && Candidates(channel).Contains(migration))];

    /// <summary>Whether they can only be of one migration.</summary>
    bool IsClear(WaitingChannel[] channels) =>
        Array.TrueForAll(channels, channel => Candidates(channel).Length == 1)
        && channels.DistinctBy(channel => channel.Init.Uuid).Count() <= 1
        && channels.DistinctBy(channel => channel.Init.Channel).Count() == channels.Length;

    MultifdChannels[] Candidates(WaitingChannel channel)
    {
        var near = _migrations.Where(migration => migration.Admission != ChannelAdmission.Closed && MayOwn(migration, channel.Init)
            && migration.IsOfSameSource(channel.Arrived) && !migration.Has(channel.Init.Channel)).ToArray();
        if (channel.Init.Migration is { } id && Array.FindAll(near, migration => migration.Migration == id) is { Length: > 0 } named) return named;
        var sure = Array.FindAll(near, migration => migration.Uuid == channel.Init.Uuid);
        return sure.Length > 0 ? sure : Array.FindAll(near, migration => (migration.LearntUuid ?? channel.Init.Uuid) == channel.Init.Uuid);
    }

    /// <summary>Whether what both say of the migration's id allows it; a main stream that has come to its first mark has said all that it says.</summary>
    static bool MayOwn(MultifdChannels migration, MultifdInit channel) => channel.Migration == migration.Migration
        || (migration is { Migration: null, Admission: ChannelAdmission.Early } && channel.Migration is not null);

    /// <summary>Whether the numbers leave no gap, and there are as many as there must be. Throws DestinationRefused.</summary>
    static bool IsComplete(MultifdChannels migration, WaitingChannel[] channels, bool isSure)
    {
        var most = channels.Select(channel => channel.Init.Channel + 1).DefaultIfEmpty().Max();
        if (migration.Expected > 0 && most > migration.Expected) throw TooMany(migration);
        return channels.Length == (migration.Expected > 0 ? migration.Expected : most) && (channels.Length > 0 || !isSure);
    }

    bool IsMoreLikely(MultifdChannels migration, int count, Stopwatch sinceLast) =>
        isComing(migration.Host) || (count > 0 && sinceLast.Elapsed < Grace);

    static MigrationException Ambiguous() => Refused(
        "Two migrations come from the same address at one time, and nothing tells to which of them a multifd channel belongs; "
        + "give the guests a uuid and switch validate-uuid on, or migrate one after the other.");

    static MigrationException TooMany(MultifdChannels migration) =>
        Refused($"The source has more than {migration.Expected} multifd channels, as many as are expected here.");

    static MigrationException Missing(MultifdChannels migration, int count) => new(MigrationErrorId.PeerSilent, MigrationSide.Source,
        $"Only {count} multifd channels came{(migration.Expected > 0 ? $", and {migration.Expected} are expected here" : ", and more are missing")}.");

    static MigrationException Refused(string message) => new(MigrationErrorId.DestinationRefused, MigrationSide.Destination, message);
}
