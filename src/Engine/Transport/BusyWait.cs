using System.Diagnostics;

namespace PsMigrate.Engine.Transport;

/// <summary>
/// Looks for a moment whether more has come, before its thread sleeps until it has: where the other end is on this machine, waking a thread costs that
/// end as much as sending another 128 KiB does. Only while much comes, and ever less often where it is in vain. One thread.
/// </summary>
struct BusyWait
{
    // 20 µs bring half of it, and 200 no more.
    static readonly TimeSpan Moment = TimeSpan.FromMicroseconds(50);

    // Less is a message, after which the other end has something else to do.
    const int Much = 4 << 10;

    const int MostVain = 6;

    bool _comesMuch;
    int _vain;
    int _skips;

    /// <summary>Whether whoever is waited for can run meanwhile.</summary>
    public static bool IsOfUse => Environment.ProcessorCount > 1;

    /// <summary>So many bytes have come.</summary>
    public void Came(int bytes) => _comesMuch |= bytes >= Much;

    /// <summary>Returns when there is something, or when it is time to sleep for it. Throws what looking throws.</summary>
    public void Wait<T>(T source) where T : IWaitedFor
    {
        if (!_comesMuch || (_skips > 0 && _skips-- > 0)) return;
        for (var began = Stopwatch.GetTimestamp(); !source.IsThere;)
            if (Stopwatch.GetElapsedTime(began) > Moment)
            {
                _vain = Math.Min(_vain + 1, MostVain);
                (_comesMuch, _skips) = (false, (1 << _vain) - 1);
                return;
            }
        _vain = 0;
    }
}

/// <summary>What a <see cref="BusyWait"/> looks for.</summary>
interface IWaitedFor
{
    /// <summary>Whether taking it would not wait.</summary>
    bool IsThere { get; }
}
