using System.IO.Pipelines;
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

    /// <summary>
    /// The next message of one of the types; PONGs are told apart by the caller. Throws what ended the return path, or PeerSilent.
    /// </summary>
    public ReturnPathMessage Wait(TimeSpan timeout, params ReadOnlySpan<ReturnPathType> types)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        lock (_lock)
        {
            while (true)
            {
                for (var i = 0; i < _unread.Count; i++)
                {
                    if (!types.Contains(_unread[i].Type)) continue;
                    var found = _unread[i];
                    _unread.RemoveAt(i);
                    return found;
                }
                if (_failure is not null) throw _failure;
                if (_ended is not null) throw _ended;
                if (_isShut) throw new MigrationException(MigrationErrorId.DestinationFailed, MigrationSide.Destination,
                    $"The destination ended without {types[0]}.");
                var left = timeout - clock.Elapsed;
                if (left <= TimeSpan.Zero)
                    throw new MigrationException(MigrationErrorId.PeerSilent, MigrationSide.Link,
                        $"The destination did not answer within {timeout.TotalSeconds:0.#} s; {types[0]} was expected.");
                Monitor.Wait(_lock, left);
            }
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
