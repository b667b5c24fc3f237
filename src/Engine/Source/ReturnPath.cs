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
    static readonly TimeSpan ShortestLook = TimeSpan.FromMilliseconds(1);
    static readonly TimeSpan LongestLook = TimeSpan.FromMilliseconds(100);

    readonly object _lock = new();
    readonly List<ReturnPathMessage> _unread = [];
    readonly Action<MigrationException> _fail;
    readonly Action<string?, ulong, uint>? _request;
    readonly WireReader _reader;
    readonly Thread _thread;
    MigrationException? _ended;
    MigrationException? _failure;
    bool _isShut;
    bool _hasGivenUp;
    (string Block, ulong[] Received)? _bitmap;
    ReturnPathType _awaited;
    Action<ReturnPathMessage>? _act;
    bool _isActing;
    bool _isDone;
    ReturnPathMessage _acted;
    ExceptionDispatchInfo? _thrown;

    /// <param name="input">The way back of the connection.</param>
    /// <param name="name">The guest, for the name of the thread.</param>
    /// <param name="fail">Called when the destination gives up or goes away before it said SHUT.</param>
    /// <param name="request">
    /// Called, on the thread that reads, with what the destination asks for: block, or null for the one that was named last, offset and
    /// length in bytes. What it throws ends the return path.
    /// </param>
    public ReturnPath(PipeReader input, string name, Action<MigrationException> fail, Action<string?, ulong, uint>? request = null)
    {
        (_fail, _request) = (fail, request);
        _reader = new WireReader(input, MigrationSide.Destination);
        _thread = EngineThread.Start($"migration return path {name}", Run,
            e => End(MigrationException.From(e, MigrationSide.Source, "What the destination says could not be taken")));
    }

    /// <summary>What the destination gave as its reason; null when it gave none.</summary>
    public MigrationException? Failure
    {
        get { lock (_lock) return _failure; }
    }

    /// <summary>Whether the destination itself said that it gives up, with a reason or without (FAILURE, or SHUT with an error).</summary>
    public bool HasGivenUp
    {
        get { lock (_lock) return _hasGivenUp || _failure is not null; }
    }

    /// <summary>A message of that type that has come, without a wait; else null.</summary>
    public ReturnPathMessage? TryTake(ReturnPathType type)
    {
        lock (_lock)
        {
            var at = _unread.FindIndex(message => message.Type == type);
            if (at < 0) return null;
            var found = _unread[at];
            _unread.RemoveAt(at);
            return found;
        }
    }

    /// <summary>Throws what ended the return path, if anything has.</summary>
    public void ThrowIfEnded()
    {
        lock (_lock)
        {
            if (_ended is not null) throw _ended;
            if (_isShut) throw EndedWithout("all that is sent to it");
        }
    }

    /// <summary>A RECV_BITMAP of this block may come, once, of exactly so many words. Those that nobody expects are refused.</summary>
    public void ExpectBitmap(string block, ulong[] received)
    {
        lock (_lock) _bitmap = (block, received);
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
        // Short looks: an answer that came while this process stood is found before its time is over.
        var look = timeout / 10 < LongestLook ? timeout / 10 : LongestLook;
        var waited = new WatchedTime(look);
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
            if (_isShut) throw EndedWithout(type.ToString());
            if (waited.Look() >= timeout)
                throw new MigrationException(MigrationErrorId.PeerSilent, MigrationSide.Link,
                    $"The destination did not answer within {timeout.TotalSeconds:0.#} s; {type} was expected.");
            Monitor.Wait(_lock, look < ShortestLook ? ShortestLook : look);
        }
    }

    static MigrationException EndedWithout(string what) =>
        new(MigrationErrorId.DestinationFailed, MigrationSide.Destination, $"The destination ended without {what}.");

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
            case ReturnPathType.RequestPages or ReturnPathType.RequestPagesId when _request is not null:
                var (block, start, length) = message.ReadRequest();
                _request(block, start, length);
                return false;
            case ReturnPathType.ReceiveBitmap:
                ReadBitmap(message.ReadBitmapName());
                goto default;
            case ReturnPathType.Shut when message.Value != 0:
                lock (_lock) _hasGivenUp = true;
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

    void ReadBitmap(string block)
    {
        (string Block, ulong[] Received)? expected;
        lock (_lock) (expected, _bitmap) = (_bitmap, null);
        if (expected is not { } one || one.Block != block)
            throw _reader.Error(MigrationErrorId.OutOfOrder, $"What came of RAM block '{Printable.Text(block)}' is told, and nobody asked.");
        ReturnPathMessage.ReadBitmap(_reader, one.Received);
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
