using PsMigrate.Engine.Model;
using PsMigrate.Engine.Ram;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// The multifd channels of one incoming migration, of which there may be none. The main stream names no channels: those count that
/// have come by the first mark, and the pool hands them over there. One that comes before the second mark still gets in, for the first
/// mark comes before any page.
/// </summary>
sealed class MultifdChannels(ChannelPool pool, ArrivedConnection main, int expected) : IPageChannels
{
    readonly MultifdBarrier _barrier = new();
    // Replaced as a whole, so that any thread may look through it.
    volatile Channel[] _channels = [];
    Func<ArrivingRam?> _ram = () => null;
    Action<long> _hold = _ => { };
    int _marks;
    int _announced;
    bool _isSetupOver;
    bool _flushes;
    bool _alwaysFlushes;
    bool _isFinished;

    /// <summary>Where the main stream comes from.</summary>
    public string Host => main.Host;

    /// <summary>Whether a connection was accepted before the main one, and not behind it.</summary>
    public bool IsOlder(ArrivedConnection channel) => channel.Start < main.Start;

    /// <summary>Whether a connection may be a channel of it, by where and whom it comes from.</summary>
    public bool IsOfSameSource(ArrivedConnection channel) => main.IsOfSameSource(channel);

    /// <summary>The channels that a migration must have; 0 when as many as come will do.</summary>
    public int Expected => _announced > 0 ? _announced : expected;

    /// <summary>Whether the main stream has told how many there are. Behind the pool's lock.</summary>
    public bool IsAnnounced => _announced > 0;

    /// <summary>The guest's uuid, if the main stream tells it; only channels of that uuid belong here then. Behind the pool's lock.</summary>
    public Guid? Uuid { get; set; }

    /// <summary>What its channels say that they belong to; null before the main stream tells it, and where it does not. Behind the pool's lock.</summary>
    public Guid? Migration { get; set; }

    /// <summary>Whether channels get in, are to be asked for, or don't any more. Behind the pool's lock.</summary>
    public ChannelAdmission Admission { get; set; }

    /// <summary>What a channel failed of, or what was said to <see cref="Abort"/>; null while nothing did.</summary>
    public MigrationException? Error => _barrier.Error;

    public int Count => _channels.Length;

    public long BytesReceived => _channels.Sum(channel => channel.Waiting.Arrived.Connection.BytesReceived);

    public long NormalPages => _channels.Sum(channel => channel.Loader.NormalPages);

    public long ZeroPages => _channels.Sum(channel => channel.Loader.ZeroPages);

    /// <summary>The uuid that its channels have in common, once there is one.</summary>
    public Guid? LearntUuid => Uuid ?? (_channels is [var first, ..] ? first.Waiting.Init.Uuid : null);

    public bool Has(byte number) => Array.Exists(_channels, channel => channel.Waiting.Init.Channel == number);

    /// <summary>To be called before the first mark, with what gives the memory once it is there, and what counts other memory.</summary>
    public void Begin(Func<ArrivingRam?> ram, Action<long> hold)
    {
        (_ram, _hold) = (ram, hold);
        pool.Join(this);
    }

    /// <summary>The main stream has said who comes.</summary>
    /// <param name="uuid">The guest's uuid; null when it is not told.</param>
    /// <param name="alwaysFlushes">Whether a source with channels uses FLUSH for certain; then a setup without one means that it has none.</param>
    /// <param name="channels">How many it says that it has, which is more to go by than what is expected of a QEMU; 0 where it does not say.</param>
    /// <param name="migration">The id of the migration, when each of its channels says it; then no other one belongs here.</param>
    public void Expect(Guid? uuid, bool alwaysFlushes = false, int channels = 0, Guid? migration = null)
    {
        _alwaysFlushes = alwaysFlushes;
        _announced = channels;
        pool.Tell(this, uuid, migration);
    }

    /// <summary>A channel comes in. Behind the pool's lock.</summary>
    public void Take(WaitingChannel waiting)
    {
        waiting.Owner = this;
        waiting.Arrived.IsTaken = true;
        (waiting.Arrived.Connection.Input as BlockPipeReader)?.WaitAsleep();
        _channels = [.. _channels, new Channel(waiting, new MultifdLoader(waiting.Reader, _barrier.Join(), () => _ram(), _hold))];
    }

    public void FlushSeen()
    {
        if (_isFinished || (_isSetupOver && !_flushes))
            throw new MigrationException(MigrationErrorId.OutOfOrder, MigrationSide.Source, "A multifd flush comes where there can't be one.");
        _flushes = true;
        Mark();
    }

    public void SectionEnded()
    {
        if (!_flushes && !_alwaysFlushes && !_isFinished) Mark();
        _isSetupOver = true;
    }

    /// <summary>All that comes through the channels has come: none touches RAM any more. Throws what a channel failed of.</summary>
    public void Finish()
    {
        _barrier.Finish();
        _isFinished = true;
    }

    /// <summary>Breaks off whatever waits for a channel, and the channels.</summary>
    public void Abort(MigrationException reason)
    {
        _barrier.Fail(reason);
        pool.Wake();
        foreach (var channel in _channels) channel.Waiting.Arrived.Connection.Abort();
    }

    /// <summary>It has no channels, and none gets in.</summary>
    public void Leave() => pool.Leave(this, hasFailed: false);

    /// <summary>The migration is over, well or not: its channels end, and none gets in any more.</summary>
    public void End(bool hasFailed)
    {
        pool.Leave(this, hasFailed);
        Abort(new MigrationException(MigrationErrorId.ConnectionLost, MigrationSide.Link, "The migration is over."));
    }

    /// <summary>Reads a channel to its end, on the thread of its connection. Whatever goes wrong ends the migration.</summary>
    public void Serve(WaitingChannel waiting)
    {
        using var loader = Array.Find(_channels, channel => channel.Waiting == waiting).Loader;
        try
        {
            loader.Run();
        }
#pragma warning disable CA1031 // A receiver outlives whatever a channel does.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Fail(MigrationException.From(e, MigrationSide.Destination, "A multifd channel failed"));
        }
    }

    /// <summary>Ends the migration for a reason that lies in its channels.</summary>
    public void Fail(MigrationException error)
    {
        _barrier.Fail(error);
        // The thread of the main stream may wait for bytes that the source can't send any more.
        if (_barrier.Error == error) main.Connection.EndInput();
    }

    void Mark()
    {
        if (_marks == 0) pool.Settle(this, isSure: _flushes);
        if (_marks == 1) pool.Close(this);
        _barrier.PassMark();
        _marks = Math.Min(_marks + 1, 2);
    }

    readonly record struct Channel(WaitingChannel Waiting, MultifdLoader Loader);
}

/// <summary>How far a migration is with its channels.</summary>
enum ChannelAdmission
{
    /// <summary>Its main stream has not come to the first mark; channels wait.</summary>
    Early,

    /// <summary>At the first mark: it takes its channels.</summary>
    Settling,

    /// <summary>Between the first and the second mark: it seems to have all, and one more gets in.</summary>
    Open,

    /// <summary>Its channels are complete.</summary>
    Closed,
}
