using PsMigrate.Engine.Protocol;
using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// The place where a postcopy whose link broke waits for another connection, and where the thread of that connection waits until the
/// migration is through with it. Thread-safe.
/// </summary>
sealed class PostcopyPause
{
    readonly object _lock = new();
    Offer? _offered;
    Offer? _inUse;
    bool _isWaiting;
    bool _isClosed;

    /// <summary>Whether a migration waits here.</summary>
    public bool IsWaiting
    {
        get { lock (_lock) return _isWaiting; }
    }

    /// <summary>Whether nobody waits here any more.</summary>
    public bool IsClosed
    {
        get { lock (_lock) return _isClosed; }
    }

    /// <summary>
    /// The next connection, with what has read from it already, waiting at most so long for it; null when none came, or <see cref="Close"/> was called. The migration is through
    /// with the one before.
    /// </summary>
    public (IConnection Connection, WireReader? Reader)? Await(TimeSpan wait)
    {
        var deadline = new Deadline(wait);
        lock (_lock)
        {
            Finish(ref _inUse, OfferState.Done);
            _isWaiting = true;
            Monitor.PulseAll(_lock);
            while (_offered is null && !_isClosed && !deadline.IsOver) Monitor.Wait(_lock, deadline.Left);
            _isWaiting = false;
            if (_offered is null) return null;
            (_inUse, _offered) = (_offered, null);
            _inUse.State = OfferState.Taken;
            return (_inUse.Connection, _inUse.Reader);
        }
    }

    /// <summary>
    /// Gives a connection to a migration that waits here, or will within so long, and returns when it is through with it. False when it
    /// does not take it.
    /// </summary>
    public bool TryOffer(IConnection connection, WireReader? reader, TimeSpan wait)
    {
        var deadline = new Deadline(wait);
        lock (_lock)
        {
            while (!_isClosed && (!_isWaiting || _offered is not null) && !deadline.IsOver) Monitor.Wait(_lock, deadline.Left);
            if (_isClosed || !_isWaiting || _offered is not null) return false;
            var offer = _offered = new Offer(connection, reader);
            Monitor.PulseAll(_lock);
            while (offer.State is OfferState.Open or OfferState.Taken) Monitor.Wait(_lock);
            return offer.State == OfferState.Done;
        }
    }

    /// <summary>The migration is over, or shall be: nobody waits here any more.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _isClosed = true;
            Finish(ref _offered, OfferState.Refused);
            Finish(ref _inUse, OfferState.Done);
            Monitor.PulseAll(_lock);
        }
    }

    void Finish(ref Offer? offer, OfferState state)
    {
        if (offer is null) return;
        offer.State = state;
        offer = null;
        Monitor.PulseAll(_lock);
    }

    enum OfferState
    {
        Open,
        Taken,
        Refused,
        Done,
    }

    sealed class Offer(IConnection connection, WireReader? reader)
    {
        public IConnection Connection => connection;

        public WireReader? Reader => reader;

        public OfferState State { get; set; }
    }
}
