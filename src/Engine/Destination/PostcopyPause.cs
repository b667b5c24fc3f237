using PsMigrate.Engine.Transport;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// The place where a postcopy whose link broke waits for another connection, and where the thread of that connection waits until the
/// migration is through with it. Thread-safe.
/// </summary>
sealed class PostcopyPause
{
    readonly object _lock = new();
    IConnection? _offered;
    IConnection? _inUse;
    bool _isWaiting;
    bool _isClosed;

    /// <summary>Whether a migration waits here.</summary>
    public bool IsWaiting
    {
        get { lock (_lock) return _isWaiting; }
    }

    /// <summary>The next connection, waiting at most so long for it; null when none came, or <see cref="Close"/> was called.</summary>
    public IConnection? Await(TimeSpan wait)
    {
        var deadline = new Deadline(wait);
        lock (_lock)
        {
            (_isWaiting, _inUse) = (true, null);
            Monitor.PulseAll(_lock);
            while (_offered is null && !_isClosed && !deadline.IsOver) Monitor.Wait(_lock, deadline.Left);
            _isWaiting = false;
            if (!_isClosed) _inUse = _offered;
            _offered = null;
            Monitor.PulseAll(_lock);
            return _inUse;
        }
    }

    /// <summary>
    /// Gives a connection to a migration that waits here, or will within so long, and returns when it is through with it. False when it
    /// does not take it.
    /// </summary>
    public bool TryOffer(IConnection connection, TimeSpan wait)
    {
        var deadline = new Deadline(wait);
        lock (_lock)
        {
            while (!_isClosed && (!_isWaiting || _offered is not null) && !deadline.IsOver) Monitor.Wait(_lock, deadline.Left);
            if (_isClosed || !_isWaiting || _offered is not null) return false;
            _offered = connection;
            Monitor.PulseAll(_lock);
            while (ReferenceEquals(_offered, connection)) Monitor.Wait(_lock);
            var isTaken = ReferenceEquals(_inUse, connection);
            while (ReferenceEquals(_inUse, connection)) Monitor.Wait(_lock);
            return isTaken;
        }
    }

    /// <summary>The migration is over, or shall be: nobody waits here any more.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _isClosed = true;
            (_inUse, _offered) = (null, null);
            Monitor.PulseAll(_lock);
        }
    }
}
