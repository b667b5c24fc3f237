using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Qmp;

/// <summary>Who is told of events and of the end. Subscribing and leaving from any thread.</summary>
sealed class QmpSubscribers
{
    readonly Lock _gate = new();
    Subscription[] _all = [];
    MigrationException? _told;

    /// <summary>What a subscriber threw last; it must not, and it does no harm to others.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Adds one. If the end has been told already, it is told now, on this thread.</summary>
    public IDisposable Add(Action<QmpEvent> onEvent, Action<MigrationException>? onClosed)
    {
        var added = new Subscription(this, onEvent, onClosed);
        lock (_gate)
        {
            if (_told is null)
            {
                _all = [.. _all, added];
                return added;
            }
        }
        Call(() => onClosed?.Invoke(_told));
        return added;
    }

    /// <summary>Tells all of an event, one after the other.</summary>
    public void Tell(QmpEvent what)
    {
        foreach (var one in Volatile.Read(ref _all))
            if (!one.HasLeft) Call(() => one.OnEvent(what));
    }

    /// <summary>Tells all of the end, once, and lets them go.</summary>
    public void TellEnd(MigrationException why)
    {
        Subscription[] all;
        lock (_gate)
        {
            if (_told is not null) return;
            (_told, all, _all) = (why, _all, []);
        }
        foreach (var one in all)
            if (!one.HasLeft) Call(() => one.OnClosed?.Invoke(why));
    }

    // Whatever a subscriber does wrong, the thread that reads goes on.
    void Call(Action action)
    {
        try
        {
            action();
        }
#pragma warning disable CA1031
        catch (Exception error)
#pragma warning restore CA1031
        {
            Failure = error;
        }
    }

    sealed class Subscription(QmpSubscribers owner, Action<QmpEvent> onEvent, Action<MigrationException>? onClosed) : IDisposable
    {
        volatile bool _hasLeft;

        public Action<QmpEvent> OnEvent { get; } = onEvent;

        public Action<MigrationException>? OnClosed { get; } = onClosed;

        public bool HasLeft => _hasLeft;

        public void Dispose()
        {
            _hasLeft = true;
            lock (owner._gate) owner._all = [.. owner._all.Where(one => one != this)];
        }
    }
}
