using PsMigrate.Engine.Model;

namespace PsMigrate.Engine.Destination;

/// <summary>
/// Cuts a connection that says nothing for longer than is allowed at the time: it would hold its place for ever. At first the time for
/// all that comes before the guest is limited, whatever is said. A time in which this process stood is no silence. Thread-safe.
/// </summary>
sealed class SilenceWatch : IDisposable
{
    static readonly TimeSpan Period = TimeSpan.FromMilliseconds(100);

    readonly Func<long> _heard;
    readonly Action _cut;
    readonly Timer _timer;
    readonly Lock _lock = new();
    WatchedTime _silence = new(Period);
    Allowance _allowed;
    long _heardBytes;
    volatile bool _hasCut;

    /// <summary>Starts to watch.</summary>
    /// <param name="heard">How many bytes have come.</param>
    /// <param name="cut">Cuts the connection.</param>
    /// <param name="firstWord">How long it may take until <see cref="Expect"/> is called for the first time.</param>
    public SilenceWatch(Func<long> heard, Action cut, TimeSpan firstWord)
    {
        (_heard, _cut) = (heard, cut);
        _allowed = new Allowance(firstWord, IsReset: false);
        _timer = EngineThread.Every(Period, Check, _ => _cut());
    }

    /// <summary>Whether it has cut the connection.</summary>
    public bool HasCut => _hasCut;

    /// <summary>From now on so long a silence is allowed; null for any.</summary>
    public void Expect(TimeSpan? silence)
    {
        lock (_lock)
        {
            _silence.Restart();
            _allowed = new Allowance(silence, IsReset: true);
        }
        // A connection that was cut has been replaced by another one.
        _hasCut = false;
    }

    public void Dispose() => _timer.Dispose();

    void Check()
    {
        var heard = _heard();
        lock (_lock)
        {
            var isHeard = _allowed.IsReset && heard != _heardBytes;
            _heardBytes = heard;
            if (isHeard) _silence.Restart();
            if (!(_silence.Look() > _allowed.Silence)) return;
        }
        _hasCut = true;
        _cut();
    }

    /// <param name="Silence">How long; null for ever.</param>
    /// <param name="IsReset">Whether each byte begins it anew.</param>
    sealed record Allowance(TimeSpan? Silence, bool IsReset);
}
