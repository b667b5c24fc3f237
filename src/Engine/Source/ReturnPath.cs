using System.Diagnostics;
using System.IO.Pipelines;
using System.Runtime.ExceptionServices;
using PsMigrate.Engine.Model;
using PsMigrate.Engine.Protocol;

namespace PsMigrate.Engine.Source;

/// <summary>
/// Reads what the destination says, on a thread of its own, and keeps it until the sending thread asks. Ends with SHUT, with
/// the connection, or with the first message that can't be.
/// </summary>
sealed class ReturnPath
{
    readonly object _lock = new();
    readonly List<ReturnPathMessage> _unread = [];
    readonly Action<MigrationException> _fail;
    readonly WireReader _reader;
    readonly Thread _thread;
    MigrationException? _ended;
    MigrationException? _failure;
    bool _isShut;
    ReturnPathType _awaited;
    Action<ReturnPathMessage>? _act;
    bool _isActing;
    bool _isDone;
    ReturnPathMessage _acted;
    ExceptionDispatchInfo? _thrown;

    /// <param name="input">The way back of the connection.</param>
    /// <param name="name">The guest, for the name of the thread.</param>
    /// <param name="fail">Called when the destination gives up or goes away before it said SHUT.</param>
    public ReturnPath(PipeReader input, string name, Action<MigrationException> fail)
    {
        _fail = fail;
        _reader = new WireReader(input, MigrationSide.Destination);
        _thread = new Thread(Run) { IsBackground = true, Name = $"migration return path {name}" };
        _thread.Start();
    }

    /// <summary>What the destination gave as its reason; null when it gave none.</summary>
    public MigrationException? Failure
    {
        get { lock (_lock) return _failure; }
    }

    /// <summary>The next message of that type; PONGs are told apart by the caller. Throws what ended the return path, or PeerSilent.</summary>
    /// <param name="timeout">How long to wait.</param>
    /// <param name="type">The type.</param>
    /// <param name="act">
    /// What is to be done at once when it has come: by the thread that reads, so that nobody has to be woken first, while the caller
    /// waits. What it throws is thrown here.
    /// </param>
    public ReturnPathMessage Wait(TimeSpan timeout, ReturnPathType type, Action<ReturnPathMessage>? act = null)
    {
        ReturnPathMessage found;
        lock (_lock)
        {
            (_awaited, _act, _isDone, _thrown) = (type, act, false, null);
            try
            {
                found = Await(timeout, type);
            }
            finally
            {
                _act = null;
            }
            _thrown?.Throw();
            if (_isDone) return found;
        }
        act?.Invoke(found);
        return found;
    }

    ReturnPathMessage Await(TimeSpan timeout, ReturnPathType type)
    {
        var start = Stopwatch.GetTimestamp();
        while (true)
        {
            // Once begun, it is waited for, whatever the time: a source that gave up meanwhile would take back what is being given.
            while (_isActing) Monitor.Wait(_lock);
            if (_isDone) return _acted;
            for (var i = 0; i < _unread.Count; i++)
            {
                if (_unread[i].Type != type) continue;
                var found = _unread[i];
                _unread.RemoveAt(i);
                return found;
            }
            if (_failure is not null) throw _failure;
            if (_ended is not null) throw _ended;
            if (_isShut) throw new MigrationException(MigrationErrorId.DestinationFailed, MigrationSide.Destination, $"The destination ended without {type}.");
            var left = timeout - Stopwatch.GetElapsedTime(start);
            if (left <= TimeSpan.Zero)
                throw new MigrationException(MigrationErrorId.PeerSilent, MigrationSide.Link,
                    $"The destination did not answer within {timeout.TotalSeconds:0.#} s; {type} was expected.");
            Monitor.Wait(_lock, left);
        }
    }

    /// <summary>Waits until nothing more can come. False when the time is over.</summary>
    public bool WaitEnded(TimeSpan timeout) => _thread.Join(timeout);

    void Run()
    {
        try
        {
            while (!Take(ReturnPathMessage.Read(_reader)))
            {
            }
        }
        catch (MigrationException e)
        {
            End(e.Id == MigrationErrorId.UnexpectedEnd
                ? new MigrationException(MigrationErrorId.ConnectionLost, MigrationSide.Link, "The destination closed the connection.", e)
                : e);
        }
        catch (Exception e) when (e is ObjectDisposedException or InvalidOperationException or IOException)
        {
            End(new MigrationException(MigrationErrorId.ConnectionLost, MigrationSide.Link, "The connection was closed.", e));
        }
    }

    /// <summary>True after the last message.</summary>
    bool Take(ReturnPathMessage message)
    {
        switch (message.Type)
        {
            case ReturnPathType.Failure:
                var (id, text) = message.ReadFailure();
                // It saw the link break, or a channel of it end which this end has not ended, and the way back still carried the news.
                var side = id is MigrationErrorId.ConnectionLost or MigrationErrorId.UnexpectedEnd ? MigrationSide.Link : MigrationSide.Destination;
                lock (_lock) _failure = new MigrationException(id, side, $"The destination gave up: {text}");
                return false;
            case ReturnPathType.Shut when message.Value != 0:
                End(Failure ?? new MigrationException(MigrationErrorId.DestinationFailed, MigrationSide.Destination,
                    $"The destination failed (SHUT {message.Value}); its own log says why."));
                return true;
            default:
                if (TryAct(message)) return false;
                lock (_lock)
                {
                    // A destination can only make us keep what we wait for.
                    if (_unread.Count >= 16) _unread.RemoveAt(0);
                    _unread.Add(message);
                    _isShut = message.Type == ReturnPathType.Shut;
                    Monitor.PulseAll(_lock);
                    return _isShut;
                }
        }
    }

    /// <summary>Does what a waiting thread wants done with this message. False when nobody wants that.</summary>
    bool TryAct(ReturnPathMessage message)
    {
        Action<ReturnPathMessage> act;
        lock (_lock)
        {
            if (_act is null || _isDone || _awaited != message.Type) return false;
            (act, _isActing) = (_act, true);
        }
        ExceptionDispatchInfo? thrown = null;
        try
        {
            act(message);
        }
#pragma warning disable CA1031 // Whatever it is, the thread that waits gets it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            thrown = ExceptionDispatchInfo.Capture(e);
        }
        lock (_lock)
        {
            (_isActing, _isDone, _acted, _thrown) = (false, true, message, thrown);
            Monitor.PulseAll(_lock);
        }
        return true;
    }

    void End(MigrationException reason)
    {
        lock (_lock)
        {
            _ended = _failure ?? reason;
            reason = _ended;
            Monitor.PulseAll(_lock);
        }
        _fail(reason);
    }
}
