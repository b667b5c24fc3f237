namespace PsMigrate.Engine.Measuring;

/// <summary>
/// Follows a guest that writes one page after the other through the windows of a measurement: what is dirtied in one begins where that of the one
/// before ended, and at the end of a round also at its start. Pages that are written otherwise are strays. Pure.
/// </summary>
sealed class WalkFollower
{
    long _window;
    long _windows;
    long _followed;
    long _next;
    (long First, long Length) _lowest;
    (long First, long Length) _longest;

    /// <summary>Where it stands: the page behind the last one; -1 before the first window.</summary>
    public long At { get; private set; } = -1;

    /// <summary>Pages that were dirtied, in each window anew.</summary>
    public long Written { get; private set; }

    /// <summary>Those of them that were not next.</summary>
    public long Strays { get; private set; }

    /// <summary>Pages of a window in which some were dirtied.</summary>
    public double Mean => _windows == 0 ? 0 : (double)Written / _windows;

    /// <summary>A window.</summary>
    public void Begin() => (_window, _followed, _next, _lowest, _longest) = (0, 0, -1, default, default);

    /// <summary>Pages that lie side by side, from the lowest to the highest.</summary>
    public void Add(long first, long length)
    {
        if (_window == 0) _lowest = (first, length);
        if (length > _longest.Length) _longest = (first, length);
        _window += length;
        // The page at which it stood may have been written on both sides of a reading.
        if (first != At && first != At - 1) return;
        _followed += length;
        _next = first + length;
    }

    /// <summary>It is over.</summary>
    public void End()
    {
        if (_window == 0) return;
        // The first one may begin anywhere, and go over the end of a round.
        if (At < 0) (_followed, _next) = (_longest.Length, _longest.First + _longest.Length);
        else if (_lowest.First < At - 1 && _followed < _window) (_followed, _next) = (_followed + _lowest.Length, _lowest.First + _lowest.Length);
        _windows++;
        Written += _window;
        Strays += Math.Max(0, _window - _followed);
        At = _next >= 0 ? _next : _longest.First + _longest.Length;
    }
}
